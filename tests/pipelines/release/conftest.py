"""Manifests that are ready to be released."""

import shutil
from pathlib import Path

import pytest

from hfv_builder.storage.manifest import Manifests
from tests.release.conftest import gathered_once as gathered_once
from tests.release.conftest import here as here
from tests.release.sample import fill


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write manifests and clips that are ready to be released, and return their folder, which tests must not change."""
    root = tmp_path_factory.mktemp("original")
    fill(root, clips=6)
    return root


@pytest.fixture
def ready(original: Path, tmp_path: Path) -> Manifests:
    """Return a copy of the manifests; the clips are shared."""
    return Manifests(Path(shutil.copytree(original / "manifests", tmp_path / "manifests")))
