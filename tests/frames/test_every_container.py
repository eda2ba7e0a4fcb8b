"""Every container and codec that can be written here, in every shape it can hold: facts, frames, proxy and strip."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.video import frames
from pipelines.catalog.worker import read_file
from review_ui.proxies import STRIP, STRIP_HEIGHT, make_proxy, make_strip
from tests.frames.made import COUNT, KINDS, SQUEEZE, Kind, Made, make, number_of

CASES = [(kind, case) for kind in KINDS for case in ("constant", *kind.cases)]
NUMBERS = list(range(COUNT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[f"{kind.name} {case}" for kind, case in CASES])
def test_facts_frames_proxy_and_strip_are_what_was_written(folder: Path, kind: Kind, case: str) -> None:
    made = make(folder, kind, case)
    _check_row(made)
    _check_times(made, made.path)
    proxy = made.path.with_suffix(".proxy.mp4")
    make_proxy(made.path, proxy)
    _check_times(made, proxy)
    _check_shape(made, proxy)
    _check_strip(made)


def _check_row(made: Made) -> None:
    """The catalogue says what was written."""
    row, raised = read_file(str(made.path))
    assert raised is None
    assert (row["status"], row["error"]) == ("ok", None)
    assert (row["width"], row["height"], row["num_frames"]) == (*made.kind.size, COUNT)
    duration = made.times[-1] + 1 / made.kind.rate
    assert row["duration_s"] == pytest.approx(duration, rel=0.01)
    assert row["fps"] == pytest.approx(COUNT / duration, rel=0.01)
    assert row["rotation"] == {"turned": 90, "mirrored": 180}.get(made.case, 0)


def _check_times(made: Made, path: Path) -> None:
    """Each frame is there once, upright, and shown when it was to be shown; so the packets say, too."""
    decoded = list(frames(path))
    assert [number_of(frame.rgb) for frame in decoded] == NUMBERS
    assert [frame.index for frame in decoded] == NUMBERS
    times = np.array([frame.time_s for frame in decoded])
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(times, made.times, atol=0.5 / made.kind.rate, rtol=0)
    np.testing.assert_array_equal(read_timeline(path).times, times)


def _check_shape(made: Made, proxy: Path) -> None:
    """The proxy has the proportions that the clip is shown with, and its left top corner in the left top corner."""
    rgb = next(iter(frames(proxy))).rgb
    height, width = rgb.shape[:2]
    shape = float(SQUEEZE) if made.case == "pixels" else made.kind.shape
    assert width / height == pytest.approx(made.kind.size[0] * shape / made.kind.size[1], rel=0.03)
    corner = rgb[height // 8 : height // 3, width // 16 : width // 5].mean()
    assert corner < rgb[height // 8 : height // 3, width // 2 :].mean() - 30


def _check_strip(made: Made) -> None:
    """The strip shows frames from the first to the last, in their proportions."""
    strip = made.path.with_suffix(".webp")
    make_strip(made.path, strip)
    image = cv2.imread(str(strip))
    assert image is not None
    shape = float(SQUEEZE) if made.case == "pixels" else made.kind.shape
    width = made.kind.size[0] * shape * STRIP_HEIGHT / made.kind.size[1]
    assert image.shape == (STRIP_HEIGHT, STRIP * round(min(width, 4 * STRIP_HEIGHT)), 3)
    cells = np.split(image, STRIP, axis=1)
    assert [number_of(cell.astype(np.uint8)) for cell in cells] == np.linspace(0, COUNT - 1, STRIP).round().tolist()


def test_no_encoder_leaves_this_process_another_priority(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    make(tmp_path, next(kind for kind in KINDS if kind.codec == "libsvtav1"))
    assert os.sched_getscheduler(0) == before
