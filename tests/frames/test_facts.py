"""Facts of files whose headers are wrong, and of files with several streams or joined recordings."""

import contextlib
import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from hfv_builder.frames import limits
from hfv_builder.frames.facts import probe, read_timeline
from hfv_builder.frames.steps import Link
from hfv_builder.frames.video import decode, frames
from hfv_builder.records import ClipError
from review_ui.proxies import make_proxy
from tests.conftest import REAL_CLIPS, moving_square, write_clip
from tests.frames.made import COUNT, KINDS, RATE, Kind, make, number_of, numbered_frame


def kind_of(suffix: str, codec: str = "libx264") -> Kind:
    return next(kind for kind in KINDS if (kind.suffix, kind.codec) == (suffix, codec))


@pytest.mark.parametrize("declared", [0, 1, 10**6, 2**30, 2**31 - 1, 2**31, 2**32 - 1])
def test_the_length_that_an_avi_declares_does_not_count(tmp_path: Path, declared: int) -> None:
    path = make(tmp_path, kind_of("avi", "mpeg4")).path
    data = bytearray(path.read_bytes())
    for offset in (data.index(b"strh") + 8 + 32, data.index(b"avih") + 8 + 16):
        data[offset : offset + 4] = struct.pack("<I", declared)
    path.write_bytes(data)
    facts = probe(path)
    assert (facts.num_frames, facts.fps) == (COUNT, RATE)
    assert facts.duration_s == pytest.approx(COUNT / RATE)
    assert [f"declares {declared} frames" in remark for remark in facts.remarks] == [True] * (declared > COUNT)


def test_the_rate_that_a_matroska_file_declares_does_not_count(tmp_path: Path) -> None:
    path = make(tmp_path, kind_of("mkv")).path
    data = bytearray(path.read_bytes())
    offset = data.index(b"\x23\xe3\x83\x84") + 4  # DefaultDuration
    data[offset : offset + 4] = (1_000_000).to_bytes(4, "big")
    path.write_bytes(data)
    facts = probe(path)
    assert facts.fps == pytest.approx(RATE, rel=0.01)
    assert facts.duration_s == pytest.approx(COUNT / RATE, rel=0.01)


def test_frames_of_all_fragments_count(tmp_path: Path) -> None:
    path = tmp_path / "fragments.mp4"
    options = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=RATE, options={"g": "5", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for rgb in moving_square(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    facts = probe(path)
    assert (facts.num_frames, facts.fps) == (30, RATE)
    assert facts.duration_s == pytest.approx(1.5)


@pytest.mark.parametrize("rate", [8, 24, 60])
def test_a_raw_stream_has_the_rate_that_its_headers_say(tmp_path: Path, rate: int) -> None:
    path = write_clip(tmp_path / "clip.h264", moving_square(16), fps=rate)
    assert probe(path).fps == rate
    assert probe(path).duration_s == pytest.approx(16 / rate)
    assert [frame.time_s for frame in frames(path)] == pytest.approx(np.arange(16) / rate)
    make_proxy(path, tmp_path / "proxy.mp4")
    assert read_timeline(tmp_path / "proxy.mp4").times == pytest.approx(np.arange(16) / rate, abs=1e-3)


def test_the_rate_of_a_gif_is_its_frames_over_its_time(tmp_path: Path) -> None:
    path = tmp_path / "clip.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=20)  # the duration of the last frame
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb8"
        stream.codec_context.time_base = Fraction(1, 100)
        for rgb, tick in zip(moving_square(48), np.cumsum([0] + [4] * 32 + [5] * 15), strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = int(tick), Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    facts = probe(path)
    assert facts.num_frames == 48
    assert facts.fps == pytest.approx(48 / 2.08, rel=0.01)


def test_few_frames_with_rounded_times_keep_their_rate(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", moving_square(2), fps=30)
    assert probe(path).fps == 30


@pytest.mark.parametrize("case", ["reset", "gap", "wrap"])
@pytest.mark.parametrize(
    ("suffix", "codec"), [("ts", "libx264"), ("m2ts", "libx264"), ("mpg", "mpeg2video"), ("mkv", "libx264")]
)
def test_recordings_that_were_joined_follow_one_another(tmp_path: Path, suffix: str, codec: str, case: str) -> None:
    kind = kind_of(suffix, codec)
    if suffix == "mkv" and case == "gap":
        pytest.skip("Matroska may have gaps")
    first, second = {"reset": ("b", "b"), "gap": ("b", "offset"), "wrap": ("offset", "b")}[case]
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(make(tmp_path, kind, first).path.read_bytes() + make(tmp_path, kind, second).path.read_bytes())
    facts = probe(path)
    assert facts.num_frames == 2 * COUNT
    assert facts.fps == pytest.approx(kind.rate, rel=0.01)
    assert facts.duration_s == pytest.approx(2 * COUNT / kind.rate, rel=0.01)
    assert len(facts.remarks) == 1
    assert facts.remarks[0].startswith(f"its timestamps jump before frame {COUNT}") or suffix == "mpg"
    expected = np.arange(2 * COUNT) / kind.rate
    decoded_frames = list(frames(path))
    assert [number_of(frame.rgb) for frame in decoded_frames] == 2 * list(range(COUNT))
    np.testing.assert_allclose([frame.time_s for frame in decoded_frames], expected, atol=0.5 / kind.rate)
    make_proxy(path, tmp_path / "proxy.mp4")
    np.testing.assert_allclose(read_timeline(tmp_path / "proxy.mp4").times, expected, atol=0.5 / kind.rate)


@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_frames_that_refer_to_missing_frames_do_not_count(tmp_path: Path, b_frames: str) -> None:
    path = tmp_path / "cut.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"g": "6", "bf": b_frames, "b_strategy": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(15):
            frame = av.VideoFrame.from_ndarray(numbered_frame(index, (96, 64)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        cut = [packet.pos for packet in container.demux(video=0) if packet.size][3]
    data = path.read_bytes()
    path.write_bytes(data[: 3 * 188] + data[cut:])  # the tables of the transport stream stay
    decoded_frames = list(frames(path))
    facts = probe(path)
    assert len(read_timeline(path)) == len(decoded_frames) == facts.num_frames
    for pairs in (2, 3):
        chunks = list(decode(path, pairs=pairs))
        assert sum(np.count_nonzero(chunk.link == Link.STEP) for chunk in chunks) == pairs
    assert facts.fps == pytest.approx(RATE)
    assert facts.duration_s == pytest.approx(len(decoded_frames) / RATE)
    assert [frame.index for frame in decoded_frames] == list(range(len(decoded_frames)))
    assert [frame.time_s for frame in decoded_frames] == pytest.approx(np.arange(len(decoded_frames)) / RATE)


def test_a_long_frame_is_no_jump(tmp_path: Path) -> None:
    path = tmp_path / "slow.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for rgb, tick in zip(moving_square(4), (0, 1, 100, 101), strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert read_timeline(path).times == pytest.approx([0, 0.05, 5, 5.05])
    assert probe(path).remarks == ()


def cover_first(path: Path) -> Path:
    """Move the cover art of an MP4 before its video track, as some cameras do; return the path of the copy."""
    data, out = path.read_bytes(), b""
    for kind, box in boxes(data):
        if kind == b"moov":
            parts = sorted(boxes(box[8:]), key=lambda part: {b"mvhd": 0, b"udta": 1}.get(part[0], 2))
            box = box[:8] + b"".join(part for _, part in parts)
        out += box
    target = path.with_name(f"first-{path.name}")
    target.write_bytes(out)
    return target


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return type and bytes of every box of an MP4."""
    results, offset = [], 0
    while offset < len(data):
        size, kind = struct.unpack(">I4s", data[offset : offset + 8])
        results.append((kind, data[offset : offset + size]))
        offset += size
    return results


def test_cover_art_before_the_clip_is_not_the_clip(tmp_path: Path) -> None:
    clip = make(tmp_path, kind_of("mp4"), "cover")
    path = cover_first(clip.path)
    with av.open(str(path)) as container:
        first = container.streams.video[0]
        assert first.disposition & first.disposition.attached_pic
    assert (probe(path).width, probe(path).num_frames) == (96, COUNT)
    assert [number_of(frame.rgb) for frame in frames(path)] == list(range(COUNT))
    assert read_timeline(path).times == pytest.approx(clip.times, abs=1e-3)


def test_decord_refuses_several_video_streams(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    with pytest.raises(ClipError, match="several video streams"):
        list(decode(make(tmp_path, kind_of("mp4"), "two").path, decoder="decord"))


@pytest.mark.parametrize("read", [probe, lambda path: list(decode(path)), lambda path: list(frames(path))])
def test_clips_over_a_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: object) -> None:
    assert callable(read)
    path = write_clip(tmp_path / "clip.mp4", moving_square(12))
    with monkeypatch.context() as patch:
        patch.setattr(limits, "FRAME_PIXELS", 96 * 64 - 1)
        with pytest.raises(ClipError, match="its frames are 96x64, more than"):
            read(path)
    for name, limit in (("CLIP_PIXELS", 11 * 96 * 64), ("CLIP_FRAMES", 11)):
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, limit)
            with pytest.raises(ClipError, match="more than 11 frames of 96x64"):
                read(path)
    read(path)


def test_huge_frames_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.gif", moving_square(2), codec="gif", pix_fmt="rgb8")
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 16000, 16000)
    path.write_bytes(data)
    with pytest.raises(ClipError, match="more than 67108864 pixels"):
        probe(path)


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="no real clips")
def test_reading_the_timeline_of_five_seconds_takes_under_sixty_milliseconds() -> None:
    durations = []
    for path in sorted((REAL_CLIPS / "hunyuanvideo").glob("*.mp4")):
        started = time.process_time()  # independent of the load of the machine
        read_timeline(path)
        durations.append(time.process_time() - started)
    assert np.median(durations) < 0.06


# Number of frames of damaged files that the packets announce and that cannot be decoded.
LOST_FRAMES = {
    "decord__tests__test_data__corrupted__5e5bec.mp4": 1,
    "made__broken_bitflips.mp4": 3,
    "made__broken_truncated_faststart.mp4": 1,
}


@pytest.mark.parametrize("folder", ["anyv2v", "cogvideo", "hunyuanvideo", "odd", "real", "sfwan", "videophy2", "wan21"])
def test_facts_of_real_media_are_those_of_their_decoded_frames(real_clips: Path, folder: str) -> None:
    wrong = {}
    # Larger files would take a minute.
    for path in sorted(path for path in (real_clips / folder).iterdir() if path.stat().st_size < 300_000):
        try:
            facts = probe(path)
        except ClipError:
            continue
        size, times = decoded(path)
        lost = LOST_FRAMES.get(path.name, 0)
        timeline = read_timeline(path)
        checks = [
            facts.num_frames - lost == len(times),
            (facts.width, facts.height) == size,
            len(timeline) == facts.num_frames and bool((np.diff(timeline.times) > 0).all()),
            bool(lost or (np.diff(times) <= 0).any() or np.allclose(timeline.times, times - times[0], atol=1e-3)),
            facts.duration_s == pytest.approx(timeline.duration_s, rel=0.01, abs=0.002),
            facts.fps == pytest.approx(facts.num_frames / timeline.duration_s, rel=0.012),
        ]
        if not all(checks):
            wrong[path.name] = (facts, checks)
    assert wrong == {}


def decoded(path: Path) -> tuple[tuple[int, int], npt.NDArray[np.float64]]:
    """Return size and times of the frames as FFmpeg decodes them, without code of the project."""
    size = (0, 0)
    times: list[float | None] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # threads lose more around an error, and cost time
        stream.codec_context.options = {"skip_loop_filter": "all"}  # it changes no size and no time
        for packet in container.demux(stream):
            with contextlib.suppress(av.error.InvalidDataError):
                for frame in packet.decode():
                    size = size if times else (frame.width, frame.height)
                    times.append(frame.time)
    return size, np.array(times, np.float64)
