"""Facts, frames, proxies and strips of clips in every container and codec that PyAV can write, in all their cases."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.video import frames
from pipelines.catalog.worker import read_file
from review_ui.proxies import STRIP, STRIP_HEIGHT, make_proxy, make_strip
from tests.frames.made import COUNT, KINDS, PIXEL_SHAPE, Kind, WrittenClip, make, number_of

CASES = [(kind, case) for kind in KINDS for case in ("constant", *kind.cases)]
INDICES = list(range(COUNT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[f"{kind.name} {case}" for kind, case in CASES])
def test_facts_frames_proxy_and_strip_are_what_was_written(folder: Path, kind: Kind, case: str) -> None:
    clip = make(folder, kind, case)
    _check_row(clip)
    _check_times(clip, clip.path)
    proxy = clip.path.with_suffix(".proxy.mp4")
    make_proxy(clip.path, proxy)
    _check_times(clip, proxy)
    _check_shape(clip, proxy)
    _check_strip(clip)


def _check_row(clip: WrittenClip) -> None:
    """Check that the row of the catalogue says what was written."""
    row, raised = read_file(str(clip.path))
    assert raised is None
    assert (row["status"], row["error"]) == ("ok", None)
    assert (row["width"], row["height"], row["num_frames"]) == (*clip.kind.size, COUNT)
    duration = clip.times[-1] + 1 / clip.kind.rate
    assert row["duration_s"] == pytest.approx(duration, rel=0.01)
    assert row["fps"] == pytest.approx(COUNT / duration, rel=0.01)
    assert row["rotation"] == {"turned": 90, "mirrored": 180}.get(clip.case, 0)


def _check_times(clip: WrittenClip, path: Path) -> None:
    """Check that frames come once, upright and at their times, and that the packets give the same times."""
    decoded = list(frames(path))
    assert [number_of(frame.rgb) for frame in decoded] == INDICES
    assert [frame.index for frame in decoded] == INDICES
    times = np.array([frame.time_s for frame in decoded])
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(times, clip.times, atol=0.5 / clip.kind.rate, rtol=0)
    np.testing.assert_array_equal(read_timeline(path).times, times)


def _check_shape(clip: WrittenClip, proxy: Path) -> None:
    """Check that the proxy has the proportions of the displayed clip, and its top left corner in the top left."""
    rgb = next(iter(frames(proxy))).rgb
    height, width = rgb.shape[:2]
    shape = float(PIXEL_SHAPE) if clip.case == "pixels" else clip.kind.shape
    assert width / height == pytest.approx(clip.kind.size[0] * shape / clip.kind.size[1], rel=0.03)
    corner = rgb[height // 8 : height // 3, width // 16 : width // 5].mean()
    assert corner < rgb[height // 8 : height // 3, width // 2 :].mean() - 30


def _check_strip(clip: WrittenClip) -> None:
    """Check that the strip shows frames from the first to the last, in their proportions."""
    strip = clip.path.with_suffix(".webp")
    make_strip(clip.path, strip)
    image = cv2.imread(str(strip))
    assert image is not None
    shape = float(PIXEL_SHAPE) if clip.case == "pixels" else clip.kind.shape
    width = clip.kind.size[0] * shape * STRIP_HEIGHT / clip.kind.size[1]
    assert image.shape == (STRIP_HEIGHT, STRIP * round(min(width, 4 * STRIP_HEIGHT)), 3)
    cells = np.split(image, STRIP, axis=1)
    assert [number_of(cell.astype(np.uint8)) for cell in cells] == np.linspace(0, COUNT - 1, STRIP).round().tolist()


def test_encoders_leave_the_priority_of_the_process_alone(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    make(tmp_path, next(kind for kind in KINDS if kind.codec == "libsvtav1"))
    assert os.sched_getscheduler(0) == before
