"""One small release for all tests that only look at one."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.manifest import Manifests
from pipelines.release import stage
from pipelines.release.gather import gather
from pipelines.release.stage import release
from pipelines.workers.cluster import Cluster
from tests.release.inline import inline
from tests.release.sample import fill

NAME = ReleaseName(name="small", version="1.0.0")


@pytest.fixture(scope="module")
def here() -> Iterator[Cluster]:
    """A cluster that works in this thread."""
    with inline() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Manifests that are ready to be released; nobody may change them."""
    return fill(tmp_path_factory.mktemp("small"), clips=6)


@pytest.fixture(scope="session")
def made(filled: Manifests, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of them, without the drawings of its report; nobody may change it."""
    out = tmp_path_factory.mktemp("releases")
    with inline() as cluster:
        return Path(release(filled, NAME, out=out, cluster=cluster).summary["release"])


@pytest.fixture
def gathered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather the same manifests once for all releases of a test: it writes nothing, so that no kill meets it."""
    monkeypatch.setattr(stage, "gather", cache(gather))
