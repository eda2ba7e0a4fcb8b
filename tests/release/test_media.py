"""Files of a release that are not the catalogued bytes: the same frames at the same times, whoever makes them."""

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from hfv_builder.frames.facts import probe
from hfv_builder.frames.video import frames
from hfv_builder.records import ClipError
from hfv_builder.release.media import ENCODING, Media, link_or_copy, place_original
from hfv_builder.release.outputs import Output, encode
from tests.conftest import moving_square, write_clip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_timed(path: Path, times_ms: list[int]) -> Path:
    """A Matroska file whose frames are shown at these times."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=Fraction(1000))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for time, rgb in zip(times_ms, moving_square(len(times_ms)), strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_frames_keep_their_times_and_their_looks(tmp_path: Path) -> None:
    source = write_timed(tmp_path / "a.mkv", [0, 40, 120, 160, 400, 440])
    encode(source, [Output(path=tmp_path / "b.mp4", encoding=ENCODING)])
    before, after = list(frames(source)), list(frames(tmp_path / "b.mp4"))
    assert [frame.time_s for frame in after] == pytest.approx([frame.time_s for frame in before], abs=1e-3)
    for old, new in zip(before, after, strict=True):
        assert np.abs(old.rgb.astype(int) - new.rgb.astype(int)).mean() < 4
    encode(source, [Output(path=tmp_path / "c.mp4", encoding=ENCODING)])
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()
    facts = probe(tmp_path / "b.mp4")
    assert (facts.codec, facts.pix_fmt, facts.num_frames) == ("h264", "yuv420p", 6)


def test_odd_sizes_become_even(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", moving_square(4, width=97, height=65), codec="ffv1", pix_fmt="bgr0")
    placed = place_original(source, tmp_path / "out" / "a.mp4", expected=sha256(source))
    assert placed.media is Media.ENCODED
    assert placed.probe is not None
    assert (placed.probe.width, placed.probe.height) == (98, 66)
    assert placed.sha256 == sha256(tmp_path / "out" / "a.mp4")


def test_frames_that_h264_cannot_hold_are_the_fault_of_the_clip(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", moving_square(2, width=17_000, height=64), codec="ffv1", pix_fmt="bgr0")
    with pytest.raises(ClipError, match="FFmpeg cannot encode it"):
        place_original(source, tmp_path / "a.mp4", expected=sha256(source))
    assert not [path for path in tmp_path.iterdir() if path != source]


@pytest.mark.parametrize("name", ["made__gif_256.gif", "made__av1_libsvtav1.mp4"])
def test_clips_that_decord_cannot_read_become_h264(real_clips: Path, tmp_path: Path, name: str) -> None:
    source = real_clips / "odd" / name
    placed = place_original(source, tmp_path / "a.mp4", expected=sha256(source))
    before = probe(source)
    assert placed.media is Media.ENCODED
    assert placed.probe is not None
    assert (placed.probe.codec, placed.probe.num_frames) == ("h264", before.num_frames)
    assert placed.probe.fps == pytest.approx(before.fps)
    assert placed.probe.duration_s == pytest.approx(before.duration_s)


def test_a_file_that_is_not_the_catalogued_one_leaves_nothing(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "libx264"), ("a.mkv", "ffv1")):
        source = write_clip(tmp_path / name, moving_square(4), codec=codec)
        with pytest.raises(ClipError, match="has changed since it was catalogued"):
            place_original(source, tmp_path / "out.mp4", expected="0" * 64)
        assert not (tmp_path / "out.mp4").exists()


def test_links_lead_to_the_file_itself(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", moving_square(4))
    (tmp_path / "link.mp4").symlink_to(source)
    link_or_copy(tmp_path / "link.mp4", tmp_path / "b.mp4", expected=sha256(source))
    assert not (tmp_path / "b.mp4").is_symlink()
    assert (tmp_path / "b.mp4").stat().st_ino == source.stat().st_ino
