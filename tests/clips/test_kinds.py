"""Kinds of files, by name if the name suffices, else by content."""

import io
import struct
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from hfv_builder.clips.kinds import ANNEX, POINTER, kind_by_content, kind_by_name
from hfv_builder.clips.signatures import HEAD, shows_motion
from tests.conftest import moving_square, write_clip

POINTER_FILE = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"
TEXT = b"some notes on this folder of clips, licences and so on\n" * 9


def images(count: int) -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in moving_square(count)]


def image_file(kind: str, count: int, **options: object) -> bytes:
    first, *others = images(count)
    data = io.BytesIO()
    animation = {"save_all": True, "append_images": others, "duration": 40} if others else {}
    first.save(data, kind, **animation, **options)
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", ""),
        ("A.MP4", ""),
        ("no_suffix", ""),
        ("a.webp", ""),
        ("Thumbs.db", "leftover of another program"),
        ("desktop.ini", "leftover of another program"),
        ("README", "text"),
        ("notes.TXT", "text"),
        ("a.srt", "subtitles"),
        ("a.m3u8", "playlist"),
        ("a.jpg", "still image"),
        ("a.mp3", "audio"),
        ("a.pdf", "document"),
        ("a.tar.gz", "archive"),
        ("a.safetensors", "weights"),
        ("SHA256SUMS", "checksums"),
        ("a.mp4.part", "unfinished download"),
    ],
)
def test_kinds_by_name(name: str, kind: str) -> None:
    assert kind_by_name(name) == kind


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.mp4", POINTER_FILE.encode(), POINTER),
        ("a.mp4", b"/annex/objects/SHA256E-s12345--abc.mp4\n", ANNEX),
        ("a.mp4", TEXT, ""),  # the name of a clip: the catalogue says why it fails
        ("a.mp4", b"", ""),
        ("index.ts", TEXT, "text"),  # TypeScript
        ("notes", TEXT, "text"),
        ("notes", TEXT.decode().encode("utf-16"), "text"),
        ("nothing", b"", "empty"),
        ("list", b"#EXTM3U\n#EXTINF:1,\nx.ts\n", "playlist"),
        ("data.xyz", bytes(range(256)) * 8, "of no known kind"),
        ("archive", b"PK\x03\x04" + bytes(64), "archive"),
        ("a.heif", struct.pack(">I4s4sI8s", 24, b"ftyp", b"heic", 0, b"mif1heic"), "still image"),
        ("a.heifs", struct.pack(">I4s4sI8s", 24, b"ftyp", b"msf1", 0, b"msf1hevc"), ""),
        ("a.avif", struct.pack(">I4s4sI8s", 24, b"ftyp", b"avif", 0, b"avifmif1"), "still image"),
        ("a.avif", struct.pack(">I4s4sI8s", 24, b"ftyp", b"avis", 0, b"avisavif"), ""),
        ("track", struct.pack(">I4s4sI8s", 24, b"ftyp", b"M4A ", 0, b"M4A mp42"), "audio"),
    ],
)
def test_kinds_by_content(name: str, content: bytes, kind: str) -> None:
    assert kind_by_content(name, io.BytesIO(content)) == kind


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_an_image_with_several_frames_is_a_clip(kind: str, count: int) -> None:
    assert kind_by_content(f"a.{kind.lower()}", io.BytesIO(image_file(kind, count))) == (
        "" if count > 1 else "still image"
    )


def test_a_png_may_have_a_long_text_before_its_images() -> None:
    data = image_file("PNG", 3)
    text = b"x" * 100_000
    long = data[:33] + struct.pack(">I", len(text)) + b"tEXt" + text + bytes(4) + data[33:]
    assert kind_by_content("a.png", io.BytesIO(long)) == ""
    assert kind_by_content("a.png", io.BytesIO(data[:33])) == "still image"  # cut short


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "mpeg4"),
        ("a.mkv", "libx264"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
        ("a.m2ts", "libx264"),
        ("a.mpg", "mpeg2video"),
        ("a.flv", "flv"),
        ("a.ogv", "libvpx"),
        ("a.wmv", "wmv2"),
        ("a.gif", "gif"),
        ("a.apng", "apng"),
        ("a.h264", "libx264"),
        ("a.hevc", "libx265"),
        ("a.m2v", "mpeg2video"),
        ("a.m4v", "mpeg4"),
        ("a.ivf", "libvpx-vp9"),
        ("a.y4m", "wrapped_avframe"),
        ("a.mxf", "mpeg2video"),
        ("a.nut", "mpeg4"),
        ("a.rm", "rv20"),
        ("a.swf", "flv"),
        ("a.wtv", "mpeg2video"),
    ],
)
def test_videos_are_clips_under_any_name(tmp_path: Path, name: str, codec: str) -> None:
    pix_fmt = {"gif": "rgb8", "apng": "rgb24"}.get(codec, "yuv420p")
    path = write_clip(tmp_path / name, moving_square(3, width=352, height=288), fps=25, codec=codec, pix_fmt=pix_fmt)
    with path.open("rb") as file:
        assert kind_by_content("unnamed", file) == ""


def test_audio_files_are_no_clips(tmp_path: Path) -> None:
    for name, codec in (("a.wav", "pcm_s16le"), ("a.ogg", "libopus"), ("a.mp3", "mp3"), ("a.flac", "flac")):
        with av.open(str(tmp_path / name), "w") as container:
            stream: Any = container.add_stream(codec, rate=48_000)
            frame = av.AudioFrame(format=stream.codec_context.format or "s16", layout="stereo", samples=960)
            frame.rate = 48_000
            for packet in (*stream.encode(frame), *stream.encode()):
                container.mux(packet)
        with (tmp_path / name).open("rb") as file:
            assert kind_by_content("unnamed", file) == "audio"


def test_real_clips_show_motion(real_clips: Path) -> None:
    for path in sorted(real_clips.rglob("*")):
        if path.is_file() and not kind_by_name(path.name) and "broken" not in path.name:
            with path.open("rb") as file:
                assert shows_motion(file.read(HEAD), file), path.name
