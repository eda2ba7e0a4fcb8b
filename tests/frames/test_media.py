"""Opening media: real containers open, and files that make FFmpeg open other files are refused by every reader."""

import ast
import re
import struct
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from hfv_builder.frames.facts import probe, read_timeline
from hfv_builder.frames.media import open_media
from hfv_builder.frames.video import decode, frames
from hfv_builder.records import ClipError
from review_ui.proxies import make_proxy, make_strip
from tests.conftest import moving_square, write_clip

SECRETS = {"secret.mp4": "libx264", "secret.ts": "mpeg2video", "secret.mov": "mpeg4"}
"""Files beside the clips that no clip may reveal, and their codecs."""
SEGMENT = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n{}/secret.ts\n"
MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011"
type="static" mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0">
<BaseURL>file://{}/secret.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"""
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
SRT = "1\n00:00:00,000 --> 00:00:01,000\nhello\n\n"

TEXTS = {
    "playlist.m3u8": SEGMENT + "#EXT-X-ENDLIST\n",
    "live.m3u8": SEGMENT,
    "playlist.mp4": SEGMENT + "#EXT-X-ENDLIST\n",
    "http.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "manifest.mpd": MPD,
    "manifest.mp4": MPD,
    "list.ffconcat": "ffconcat version 1.0\nfile {}/secret.mp4\n",
    "list.mp4": "ffconcat version 1.0\nfile {}/secret.mp4\n",
    "relative.mkv": "ffconcat version 1.0\nfile secret.mp4\n",
    "session.sdp": SDP,
    "session.mp4": SDP,
    "index.idx": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\ntimestamp: 00:00:00:000\n",
    "stream.asx": '<asx version="3.0"><entry><ref href="{}/secret.mp4"/></entry></asx>',
    "filter.lavfi": "movie={}/secret.mp4",
    "filter.mp4": "movie=filename={}/secret.mp4",
    "subtitles.srt": SRT * 20,
    "subtitles.mp4": SRT * 20,
    "card.nfo": "some notes on this folder of clips, licences and so on\n" * 9,
    "card.asc": "some notes on this folder of clips, licences and so on\n" * 9,
    "notes.mp4": "some notes on this folder of clips, licences and so on\n" * 9,
    "pointer.mp4": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n",
    "meta.mp4": ";FFMETADATA1\ntitle=x\n",
}
STILLS = ["%03d.tiff", "%03d.png", "%03d.jpg", "still.png", "still.tiff", "still.webp", "still.mp4", "*.bmp"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of secret clips, hostile files and still images."""
    folder = tmp_path_factory.mktemp("media")
    for name, codec in SECRETS.items():
        write_clip(folder / name, moving_square(12), codec=codec)
    for name, text in TEXTS.items():
        (folder / name).write_text(text.format(folder))
    still = moving_square(1, width=320, height=240)[0]
    for name in STILLS:
        suffix = ".png" if name.endswith(".mp4") else Path(name).suffix
        (folder / name).write_bytes(cv2.imencode(suffix, still)[1].tobytes())
    for number in range(5):  # files that the patterns match
        for suffix in (".tiff", ".png", ".jpg", ".bmp"):
            (folder / f"{number:03d}{suffix}").write_bytes(cv2.imencode(suffix, still)[1].tobytes())
    (folder / "outside.mov").write_bytes(
        with_external_data((folder / "secret.mov").read_bytes(), folder / "secret.mov")
    )
    (folder / "both.ts").write_bytes(SEGMENT.format(folder).encode() + b"#" + (folder / "secret.ts").read_bytes())
    return folder


def with_external_data(data: bytes, target: Path) -> bytes:
    """Return the MOV with zeros as media data and an alias in its `dref` that names `target` for the data."""
    path = str(target).encode()
    path += b"\0" * (len(path) % 2)
    alias = bytes(10) + b"\1v" + bytes(26) + bytes(12) + b"\1f" + bytes(62) + bytes(16)
    alias += struct.pack(">HH", 0xFFFF, 0xFFFF) + bytes(16) + struct.pack(">HH", 2, len(path)) + path
    alias += struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    entries = struct.pack(">II", 0, 1) + entry

    def rewritten(data: bytes) -> bytes:
        out, offset = b"", 0
        while offset < len(data):
            size, kind = struct.unpack_from(">I4s", data, offset)
            body = data[offset + 8 : offset + size]
            if kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
                body = rewritten(body)
            elif kind == b"dref":
                body = entries
            elif kind == b"mdat":
                body = bytes(len(body))
            out += struct.pack(">I4s", 8 + len(body), kind) + body
            offset += size
        return out

    return rewritten(data)


def count_frames(path: Path) -> int:
    return sum(len(chunk.rgb) for chunk in decode(path))


def count_frames_by_decord(path: Path) -> int:
    pytest.importorskip("decord")
    return sum(len(chunk.rgb) for chunk in decode(path, decoder="decord"))


def proxy(path: Path) -> None:
    make_proxy(path, path.with_name(f"made-{path.name}.proxy.mp4"))


def strip(path: Path) -> None:
    make_strip(path, path.with_name(f"made-{path.name}.strip.webp"))


READERS: list[Callable[[Path], object]] = [
    probe,
    read_timeline,
    count_frames,
    count_frames_by_decord,
    lambda path: list(frames(path)),
    proxy,
    strip,
]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("name", [*TEXTS, *STILLS])
def test_files_that_are_no_clips_are_refused_by_every_reader(
    folder: Path, name: str, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for path in (folder / name, Path(name)):
        with pytest.raises(ClipError):
            read(path)
    assert not list(folder.glob("made-*"))


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize(
    "name",
    [
        "concat:secret.mp4|secret.mp4",
        "subfile,,start,0,end,0,,:secret.mp4",
        "http://127.0.0.1:9/x.mp4",
        "data:video/mp4;base64,AAAA",
        "async:secret.mp4",
    ],
)
def test_a_file_name_is_not_read_as_an_address(
    folder: Path, name: str, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose name looks like an address is read as a file: as a small clip, not as the secret one."""
    monkeypatch.chdir(folder)
    with pytest.raises(ClipError, match="does not exist"):
        read(Path(name))
    small = Path(name)
    small.parent.mkdir(parents=True, exist_ok=True)
    small.write_bytes(write_clip(folder / "own.mp4", moving_square(3, width=32, height=32)).read_bytes())
    assert (probe(small).width, probe(small).num_frames) == (32, 3)
    small.unlink()


def test_media_data_in_another_file_is_not_read(folder: Path) -> None:
    path = folder / "outside.mov"
    trusting = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(path), options=trusting) as container:  # FFmpeg would read the other file
        assert len(list(container.decode(video=0))) == 12
    with pytest.raises(ClipError):
        probe(path)


def test_a_clip_that_is_also_a_playlist_is_refused_by_decord(folder: Path) -> None:
    """PyAV opens it as MPEG-TS; the older FFmpeg of decord would open the playlist."""
    path = folder / "both.ts"
    assert count_frames(path) > 0
    with pytest.raises(ClipError, match="may be read as one"):
        count_frames_by_decord(path)


def test_the_name_of_a_gif_is_not_read_as_a_pattern(tmp_path: Path) -> None:
    for name in ("%03d.gif", "what?.gif", "a{b}[c].gif", "all*.gif", "001.gif"):
        write_clip(tmp_path / name, moving_square(len(name)), codec="gif", pix_fmt="rgb8")
    for path in tmp_path.glob("*.gif"):
        assert count_frames(path) == len(path.name)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "mpeg4"),
        ("a.3gp", "libx264"),
        ("a.f4v", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
        ("a.m2ts", "libx264"),
        ("a.mpg", "mpeg2video"),
        ("a.vob", "mpeg2video"),
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
        ("a.mjpeg", "mjpeg"),
        ("a.rm", "rv20"),
        ("a.swf", "flv"),
        ("a.wtv", "mpeg2video"),
        ("no suffix", "libx264"),
    ],
)
def test_real_containers_open(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    written = path if path.suffix else tmp_path / "a.mkv"
    pix_fmt = {"gif": "rgb8", "apng": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    write_clip(written, moving_square(12, width=352, height=288), fps=25, codec=codec, pix_fmt=pix_fmt)
    written.rename(path)
    assert probe(path).width == 352
    assert count_frames(path) >= 11
    with open_media(path) as container:
        assert container.streams.video


def test_no_frame_of_a_stream_that_hides_its_reordering_is_lost(tmp_path: Path) -> None:
    """FFmpeg must see more than 5 MB of such a stream, as graphics cards write them, before it knows the order."""
    path, rng = tmp_path / "noise.mkv", np.random.default_rng(0)
    coding = {"qp": "1", "preset": "ultrafast", "x264-params": "bframes=3:b-pyramid=normal:b-adapt=0:threads=1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=coding)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for planes in rng.integers(0, 256, (6, 1080, 1280), np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
        header = bytes(stream.codec_context.extradata or b"")
    # The last part of the sequence's parameters: with one bit less, it does not give the reordering delay.
    shown, hidden = bytes.fromhex("019078c18cb0"), bytes.fromhex("019038c18cb0")
    assert shown in header
    path.write_bytes(path.read_bytes().replace(shown, hidden))
    assert np.concatenate([chunk.index for chunk in decode(path)]).tolist() == [*range(6)]


def test_one_module_alone_opens_media() -> None:
    """Only one module calls `av.open` for reading, and none uses OpenCV's or another reader of videos."""
    root = Path(__file__).parents[2]
    readers = []
    for package in ("hfv_builder", "pipelines", "review_ui", "benchmarks"):
        for path in sorted((root / package).rglob("*.py")):
            text = path.read_text()
            if not re.search(r"\.open\b|VideoCapture", text):  # parsing all modules takes a second
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    called = ast.unparse(node.func)
                    writes = len(node.args) > 1 and ast.unparse(node.args[1]) == "'w'"
                    if (called == "av.open" and not writes) or called.endswith("VideoCapture"):
                        readers.append(path.relative_to(root).as_posix())
    assert readers == ["hfv_builder/frames/media.py"]


def test_frames_equal_those_of_pyav(folder: Path) -> None:
    with av.open(str(folder / "secret.mp4")) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.array_equal(expected, [frame.rgb for frame in frames(folder / "secret.mp4")])
