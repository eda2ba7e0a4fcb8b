"""The data of a scoring run that travels: the run itself, the job of one clip, and the result of a shard."""

from dataclasses import dataclass

from hfv_builder.backends.registry import Resolved
from hfv_builder.records import ClipError, Metric
from hfv_builder.storage.manifest import Manifests
from pipelines.person_run import PersonRun


@dataclass(frozen=True, kw_only=True)
class ClipJob:
    """A clip and the metrics that it lacks."""

    clip_id: str
    path: str
    metrics: tuple[Metric, ...]
    num_frames: int | None = None
    """Declared by the file."""
    pixels: int = 0
    """Of all frames, from the declared values."""
    error: ClipError | None = None
    """The reason why it cannot be scored, if it is known before decoding."""


@dataclass(frozen=True, kw_only=True)
class ScoringRun:
    """The configuration that all shards of a run share; small enough to travel with every task."""

    manifests: Manifests
    generator: str
    resolved: Resolved
    packages: dict[str, str]
    """The versions of the packages that decide scores."""
    shard_clips: int = 64
    """Clips that one task scores at most."""
    deadline_s: float | None = None
    """Time limit for one clip, after which its worker is killed; None for no limit."""
    people: PersonRun | None = None
    """The person detector that looks at the frames too; None to leave that to `hfv audit`."""
    proven: bool = False
    """Whether a clip was scored in this way before; then an error such as a TypeError is blamed on the clip."""

    def partition(self, metric: Metric) -> dict[str, str]:
        """Return the keys of the partition of `scores` that holds the rows of this metric."""
        return {"profile": self.resolved.profile.name, "metric": metric.value, "generator": self.generator}


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """The outcome of a shard."""

    clips: list[str]
    scored: int = 0
    failed: int
    fault: str | None = None
    """A suspected internal error: no clip of the shard was scored, and no row was written."""
    decode_s: float
    score_s: float
    write_s: float = 0.0
