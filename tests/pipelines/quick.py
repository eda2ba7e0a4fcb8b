"""Scoring in no time: the stage with all it does to manifests, but with a scorer that looks at no clip."""

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
    """Clips that are nowhere."""
    clips = [
        dict.fromkeys(CLIPS.schema.names)
        | {"clip_id": clip, "generator": generator, "is_real": False, "path": f"/{clip}.mp4", "status": "ok"}
        for clip in ids
    ]
    manifests.replace(CLIPS, [pa.Table.from_pylist(clips, schema=CLIPS.schema)], generator=generator)


def value(profile: Profile, clip_id: str) -> float:
    """The score that the clip gets, which depends on the profile."""
    decides = f"{profile.name} {profile.motion.pool} {profile.spatial.pool} {profile.long_side} {clip_id}"
    return int(hashlib.sha256(decides.encode()).hexdigest()[:8], 16) / 2**32


class Quick:
    """Runs `score`; clips that are to fail do so, and the run is killed after so many shards of one clip."""

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
        """The outcome; None if the run was killed."""
        self.failing, self._left = failing, killed_after
        with contextlib.suppress(Killed):
            return score(self.manifests, "kling", profile, cluster=Cluster(workers=0), **options)
        return None

    def _score(self, job: Any, chunks: Any, scorer: Any, run: Any) -> tuple[ClipScores, Exception | None]:
        if job.clip_id in self.failing:
            return ClipScores(), ClipError(self.reason)
        number = value(run.resolved.profile, job.clip_id)
        score = Score(value=number, frames=[0], trace=[1.0])
        vectors = Vectors(frames=[0], vectors=np.full((1, 2), number, np.float16))
        return ClipScores(
            scores=dict.fromkeys(job.metrics, score),
            embeddings={"model": vectors} if Metric.APPEARANCE in job.metrics else {},
            evidence={metric: run.resolved.profile.name.encode() for metric in job.metrics},
        ), None

    def _score_shards(self, run: Any, shards: Iterator[Any], *_: Any, **__: Any) -> None:
        for one in shards:
            if self._left == 0:
                raise Killed
            shard.score_shard(one, run=run)
            self._left = self._left and self._left - 1
