"""Verify."""

from pathlib import Path

from pipelines.outcome import Outcome
from pipelines.workers.cluster import Cluster


def verify(folder: Path, *, cluster: Cluster) -> Outcome:
    """Verify."""
    raise NotImplementedError
