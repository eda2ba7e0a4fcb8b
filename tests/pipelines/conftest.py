"""Two workers for all tests of stages: starting processes is most of what a small run costs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.manifest import Manifests
from pipelines.cluster import Cluster
from pipelines.score import IMPORTS


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of two local processes."""
    with Cluster(workers=2).connect(imports=IMPORTS) as client:
        yield Cluster(client=client)


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    return Manifests(tmp_path / "manifests")


def rows(manifests: Manifests, table: Any, **partition: str) -> list[dict[str, Any]]:
    """All rows in the order of their keys."""
    found: list[dict[str, Any]] = manifests.read(table, **partition).to_pylist()
    return sorted(found, key=lambda row: (str(row["clip_id"]), str(row.get("metric")), str(row.get("path"))))
