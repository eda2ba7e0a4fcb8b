"""Fixtures of the tests of detectors: a small release, tiny checkpoints and a shared cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors import forest
from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.detectors.video_transformer import SIZES
from hfv_builder.evaluation import drawings
from pipelines.detect.prepare import Workplace
from tests.detectors.sample import write_release
from tests.detectors.weights import BACKBONE, TINY, tiny_store


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Use forests of a few trees, which suffice here, and pages without drawings, which tests/evaluation checks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 20)
        for name in ("intervals", "roc_curves", "calibration", "confusions", "robustness"):
            patch.setattr(drawings, name, lambda *_: "<svg></svg>")
        yield


@pytest.fixture(scope="session", autouse=True)
def _tiny_backbone() -> Iterator[None]:
    """Add a backbone of a few parameters to the sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, BACKBONE, TINY)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a release, which tests must not change."""
    return write_release(tmp_path_factory.mktemp("made") / "small-1.0.0", variant="blur3")


@pytest.fixture(scope="session")
def release(folder: Path) -> Release:
    """Return the release that was read from the folder."""
    return read_release(folder)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsDir:
    """Return tiny checkpoints of CLIP, Depth Pro and InternVideo2."""
    return tiny_store(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory, weights: WeightsDir) -> Workplace:
    """Return a workplace whose cache all tests share, since features do not depend on the test that computes them."""
    return Workplace(cache=tmp_path_factory.mktemp("features"), device="cpu", threads=2, weights=weights)
