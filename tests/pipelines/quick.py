"""The scoring stage without decoding: it writes all manifests, but scores are computed from names alone."""

import contextlib
import hashlib
from collections.abc import Collection, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hfv_builder.profiles.profile import Profile
from hfv_builder.records import ClipError, Metric
from hfv_builder.scoring.score import Score
from hfv_builder.scoring.scorer import ClipScores, Vectors
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.outcome import Outcome
from pipelines.score import worker as shard
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from tests.killed import Killed

IDS = [hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(4)]


def catalogue(manifests: Manifests, ids: Iterable[str] = IDS, generator: str = "kling") -> None:
    """Write rows of clips without files."""
    clips = [
        dict.fromkeys(CLIPS.schema.names)
        | {"clip_id": clip, "generator": generator, "is_real": False, "path": f"/{clip}.mp4", "status": "ok"}
        for clip in ids
    ]
    manifests.replace(CLIPS, [pa.Table.from_pylist(clips, schema=CLIPS.schema)], generator=generator)


def value(profile: Profile, clip_id: str) -> float:
    """Return the score of a clip, which depends on its id and the profile."""
    text = f"{profile.name} {profile.motion.pool} {profile.spatial.pool} {profile.long_side} {clip_id}"
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


class Quick:
    """Runs `score` with shards of one clip; chosen clips fail, and a run can be killed after some shards."""

    def __init__(self, manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
        self.manifests = manifests
        self.failing: Collection[str] = ()
        self.reason = "it does not please"
        cluster = contextlib.nullcontext(SimpleNamespace(nthreads=dict))
        monkeypatch.setattr(Cluster, "connect", lambda *_, **__: cluster)
        monkeypatch.setattr("pipelines.score.plan.SHARD", 1)
        monkeypatch.setattr("pipelines.score.execution._score", self._score_shards)
        monkeypatch.setattr(shard, "scorer_of", lambda run: self)
        monkeypatch.setattr(shard, "_decoded", lambda jobs, run: contextlib.nullcontext((w, ()) for w in jobs))
        monkeypatch.setattr(shard, "_score", self._score)

    def run(
        self, profile: Profile, *, failing: Collection[str] = (), killed_after: int | None = None, **options: Any
    ) -> Outcome | None:
        """Return the outcome of a run, or None if it was killed."""
        self.failing, self._left = failing, killed_after
        with contextlib.suppress(Killed):
            return score(self.manifests, "kling", profile, cluster=Cluster(workers=0), **options)
        return None

    def _score(self, job: Any, chunks: Any, scorer: Any, run: Any) -> tuple[ClipScores, Exception | None]:
        if job.clip_id in self.failing:
            return ClipScores(), ClipError(self.reason)
        score_value = value(run.resolved.profile, job.clip_id)
        score = Score(value=score_value, frames=[0], trace=[1.0])
        vectors = Vectors(frames=[0], vectors=np.full((1, 2), score_value, np.float16))
        return ClipScores(
            scores=dict.fromkeys(job.metrics, score),
            embeddings={"model": vectors} if Metric.APPEARANCE in job.metrics else {},
            evidence={metric: run.resolved.profile.name.encode() for metric in job.metrics},
        ), None

    def _score_shards(self, run: Any, shards: Iterator[Any], *_: Any, **__: Any) -> None:
        for jobs in shards:
            if self._left == 0:
                raise Killed
            shard.score_shard(jobs, run=run)
            self._left = self._left and self._left - 1
