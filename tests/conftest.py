"""Fixtures and helpers that many tests share: small rendered clips, and real media if they lie beside the checkout."""

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

settings.register_profile("hfv", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hfv")

REAL_CLIPS = Path(__file__).parents[2] / "shared" / "clips"

Frames = npt.NDArray[np.uint8]


MEMORY = Path("/dev/shm")  # noqa: S108 - only for a new folder of our own
ROOM = 6 << 30
"""Bytes that must be free there; the tests write half a gigabyte."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the temporary files of a parallel run in memory if it has room: there are tens of thousands of them."""
    if not config.getoption("numprocesses", None) or "TMPDIR" in os.environ:
        return
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="hfv-tests-", dir=MEMORY)  # all processes inherit it
        tempfile.tempdir = None  # forget the folder chosen before
        config.add_cleanup(partial(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that wait for browsers and clusters first, so that no long test is left for the end."""
    items.sort(key=lambda item: not {"review_ui", "pipelines"} & set(item.path.parts))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give every process the files of one folder after the other."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.by_folder import ByFolder

    return ByFolder(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without garbage collection, and exclude from it what they import, since it takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 10, 10)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _bounded() -> None:
    """Give every library one thread, as in a worker, and remove the HFV_ variables of the person who runs the tests."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    threadpool_limits(1)  # those of NumPy and scikit-learn, which spin while they wait for each other
    for name in ("HFV_MANIFESTS", "HFV_WEIGHTS"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Return the folder of real media, readable and broken; skip the test if it does not exist."""
    if not REAL_CLIPS.is_dir():
        pytest.skip(f"no real clips: {REAL_CLIPS} is not there")
    return REAL_CLIPS


def moving_square(count: int, *, width: int = 96, height: int = 64, seed: int = 0) -> Frames:
    """Return frames of a square that moves right by two pixels a frame: (count, height, width, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    background = cv2.resize(rng.integers(60, 200, (8, 12, 3)).astype(np.uint8), (width, height))
    colour = rng.integers(0, 255, 3)
    frames: Frames = np.repeat(background[None], count, axis=0).astype(np.uint8)
    side = height // 3
    for index, frame in enumerate(frames):
        left = (4 + 2 * index) % (width - side)
        frame[height // 3 : 2 * height // 3, left : left + side] = colour
    return frames


def write_clip(path: Path, frames: Frames, *, fps: int = 12, codec: str = "libx264", pix_fmt: str = "yuv420p") -> Path:
    """Write the frames, (T, H, W, 3) uint8 RGB, as a video and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        options = {"qp": "20", "x264-params": "threads=1"} if codec == "libx264" else {}
        stream: Any = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pix_fmt
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def clips_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes `count` different clips, and a broken one if asked, and returns their folder."""

    def fill(name: str = "kling", count: int = 6, *, frames: int = 8, broken: bool = False) -> Path:
        folder = tmp_path / "clips" / name
        for seed in range(count):
            write_clip(folder / f"{seed:03d}.mp4", moving_square(frames, seed=seed))
        if broken:
            (folder / "broken.mp4").write_text("this is no video")
        return folder

    return fill
