"""Proxies and strips: what browsers play shows what the clip shows."""

import resource
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from hfv_builder.frames.facts import probe, read_timeline
from hfv_builder.frames.video import Frame
from hfv_builder.frames.video import frames as frames_of
from hfv_builder.records import ClipError
from review_ui.proxies import SHORT_SIDE, make_proxy, make_strip, plays_everywhere
from tests.review_ui.sample import make_clip


def times_of(path: Path) -> list[float]:
    return [frame.time_s for frame in frames_of(path)]


@pytest.mark.parametrize(
    ("name", "codec", "gap"), [("a.avi", "mpeg4", 1), ("b.mkv", "libx264", 3), ("c.mp4", "libx264", 1)]
)
def test_a_proxy_shows_each_frame_when_the_original_does(tmp_path: Path, name: str, codec: str, gap: int) -> None:
    source = make_clip(tmp_path / name, codec=codec, gap=gap)
    make_proxy(source, tmp_path / "proxy.mp4")
    assert plays_everywhere(tmp_path / "proxy.mp4", facts(tmp_path / "proxy.mp4"))
    wanted = times_of(source)
    np.testing.assert_allclose(times_of(tmp_path / "proxy.mp4"), wanted, atol=1e-4)
    np.testing.assert_allclose(read_timeline(tmp_path / "proxy.mp4").times, wanted, atol=1e-4)
    if gap > 1:
        assert len(set(np.diff(wanted).round(4))) > 1


def facts(path: Path) -> dict[str, Any]:
    return vars(probe(path))


def test_proxies_of_awkward_real_clips(real_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from review_ui import proxies

    names = ["made__odd_dims_637x479_444.mp4", "made__h264_high10.mp4", "made__vp9.webm"]
    names += ["made__vfr_irregular.mp4", "made__gif_256.gif", "made__broken_truncated_faststart.mp4"]
    for name in names:
        source, target = real_clips / "odd" / name, tmp_path / f"{name}.mp4"
        longest = 600 if "broken" in name else 1  # a second shows as much, but one is damaged later
        monkeypatch.setattr(proxies, "LONGEST_S", longest)
        make_proxy(source, target)
        made = facts(target)
        assert (made["codec"], made["pix_fmt"]) == ("h264", "yuv420p")
        assert min(made["width"], made["height"]) <= SHORT_SIDE
        assert plays_everywhere(target, made)
        if "broken" not in name:
            wanted = [time_s for time_s in times_of(source) if time_s <= longest]
            assert len(wanted) >= 10
            np.testing.assert_allclose(times_of(target), wanted, atol=1e-3)
    for name in ("made__broken_text.mp4", "made__broken_zero_bytes.mp4", "made__audio_only.mp4"):
        with pytest.raises(ClipError):
            make_proxy(real_clips / "odd" / name, tmp_path / "none.mp4")
        assert not (tmp_path / "none.mp4").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_turned_clip_stands_upright_in_its_colours(tmp_path: Path) -> None:
    from review_ui import proxies

    frames = iter([Frame(rgb=np.zeros((1000, 500, 3), np.uint8), index=at, time_s=at / 10) for at in range(2)])
    proxies._encode(frames, tmp_path / "tall.mp4")
    with av.open(str(tmp_path / "tall.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (500, 1000)
        shown = next(container.decode(video=0))
    # Browsers take large videos without these tags for BT.709, which FFmpeg does not convert to.
    assert (shown.colorspace, shown.color_range) == (Colorspace.ITU601, ColorRange.MPEG)


def test_a_proxy_ends_where_nobody_looks_any_more_also_without_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from review_ui import proxies

    monkeypatch.setattr(proxies, "LONGEST_S", 0.5)
    frames = [Frame(rgb=np.zeros((64, 96, 3), np.uint8), index=at) for at in range(40)]
    monkeypatch.setattr(proxies, "frames_of", lambda _: iter(frames))
    make_proxy(tmp_path / "untimed", tmp_path / "proxy.mp4")
    assert read_timeline(tmp_path / "proxy.mp4").times == pytest.approx(np.arange(13) / 25, abs=1e-3)


def test_a_full_disk_is_no_fault_of_the_clip(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            make_proxy(clip, tmp_path / "proxy.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_strip_has_twelve_pictures(tmp_path: Path) -> None:
    import cv2

    for frames in (2, 24, 100):
        make_strip(make_clip(tmp_path / f"{frames}.mp4", frames=frames), tmp_path / "strip.webp")
        strip = cv2.imread(str(tmp_path / "strip.webp"))
        assert strip is not None
        assert strip.shape == (72, 12 * 96, 3)
