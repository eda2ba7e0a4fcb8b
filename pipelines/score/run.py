"""A scoring run: what its shards share, the work on one clip, and what became of a shard."""

from dataclasses import dataclass

from hfv_builder.backends.registry import Resolved
from hfv_builder.records import ClipError, Metric
from hfv_builder.storage.manifest import Manifests


@dataclass(frozen=True, kw_only=True)
class ClipJob:
    """A clip and the metrics that it lacks."""

    clip_id: str
    path: str
    metrics: tuple[Metric, ...]
    num_frames: int | None = None
    """As the file declares."""
    pixels: int = 0
    """Of all its frames, as declared."""
    error: ClipError | None = None
    """Why it cannot be scored, if that is known already."""


@dataclass(frozen=True, kw_only=True)
class ScoringRun:
    """What all shards of a run share; small enough to travel with each."""

    manifests: Manifests
    generator: str
    resolved: Resolved
    packages: dict[str, str]
    """Versions of what decides scores."""
    shard_clips: int = 64
    """Clips that one task scores at most."""
    deadline_s: float | None = None
    """How long one clip may take before its worker is ended; None waits for ever."""
    proven: bool = False
    """Whether clips were scored in this way before, so that an error such as a TypeError is the clip's own."""

    def partition(self, metric: Metric) -> dict[str, str]:
        """Return the keys of the partition of `scores` that holds the rows of this metric."""
        return {"profile": self.resolved.profile.name, "metric": metric.value, "generator": self.generator}


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """What became of a shard."""

    clips: list[str]
    scored: int = 0
    failed: int
    fault: str | None = None
    """What may be a fault of ours: no clip of the shard was scored, and no row was written."""
    decode_s: float
    score_s: float
    write_s: float = 0.0
