"""One small release and one tiny checkpoint for all tests of detectors."""

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
    """Forests of a few trees, which are enough for these clips, and pages without drawings (tests/evaluation draws)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 20)
        patch.setattr(drawings, "svg", lambda figure: "<svg></svg>")
        yield


@pytest.fixture(scope="session", autouse=True)
def _tiny_backbone() -> Iterator[None]:
    """A backbone of a few parameters among those that can be chosen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, BACKBONE, TINY)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release; nobody may change it."""
    return write_release(tmp_path_factory.mktemp("made") / "small-1.0.0", variant="blur3")


@pytest.fixture(scope="session")
def release(folder: Path) -> Release:
    """The same, read."""
    return read_release(folder)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsDir:
    """Tiny checkpoints of CLIP, Depth Pro and InternVideo2."""
    return tiny_store(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, weights: WeightsDir) -> Workplace:
    """A cache that all tests share; features do not depend on who computed them."""
    return Workplace(cache=tmp_path_factory.mktemp("features"), device="cpu", threads=2, weights=weights)
