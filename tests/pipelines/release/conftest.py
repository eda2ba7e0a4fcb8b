"""Manifests that are ready to be released, and a cluster that works in the test's own thread."""

import shutil
from pathlib import Path

import pytest

from hfv_builder.storage.manifest import Manifests
from tests.release.conftest import here as here
from tests.release.sample import fill


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifests and clips that are ready to be released; nobody may change them."""
    root = tmp_path_factory.mktemp("original")
    fill(root, clips=6)
    return root


@pytest.fixture
def ready(original: Path, tmp_path: Path) -> Manifests:
    """A copy of the manifests; the clips are shared."""
    return Manifests(Path(shutil.copytree(original / "manifests", tmp_path / "manifests")))
