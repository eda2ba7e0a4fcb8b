"""The execution of a scoring run: shards go to the workers, results come back, suspected internal errors are held."""

import dataclasses
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.records import ClipError, Status
from hfv_builder.storage.schema import SCORES
from pipelines.environment import described
from pipelines.generators import score_lock
from pipelines.score.plan import shards_of
from pipelines.score.run import ClipJob, ScoringRun, ShardResult
from pipelines.score.shard_log import shard_log
from pipelines.score.worker import score_shard
from pipelines.score.worker_memory import worker_bytes
from pipelines.versions import packages
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards
from pipelines.workers.faults import Suspects
from pipelines.workers.local import GPU

SHARES = 4
"""Minimum number of shards per worker that the remaining clips are divided into."""
IMPORTS = (
    "pipelines.score.worker",
    "hfv_builder.scoring.scorer",
    "hfv_builder.frames.video",
    "av",
    "PIL.WebPImagePlugin",
)
"""The modules that every worker imports before the first task; Pillow would import all its formats to write a WebP."""


def execute(run: ScoringRun, todo: pa.Table, cluster: Cluster) -> int:
    """Write the rows of these clips: scores, or the reason why there is none.

    Args:
        todo: from `plan.clips_to_score`.

    Returns:
        The number of clips that were decoded; the others have an error since they were catalogued.
    """
    valid: int = todo["error"].null_count
    for shard in shards_of(todo, run, valid=False):
        score_shard(shard, run=run)
    if valid:
        need, on_gpu = worker_bytes(run.resolved), run.resolved.device == "cuda"
        with cluster.connect(imports=IMPORTS, each_a_gpu=on_gpu, worker_bytes=need) as client:
            # Jobs of a batch system may still be waiting for their turn.
            shares = SHARES * max(1, cluster.workers or 0, sum(client.nthreads().values()))
            shards = shards_of(todo, run, shares=shares)
            _score(run, shards, valid, client, cluster.wait_s, has_memory=cluster.has_memory(need))
    return valid


def _score(
    run: ScoringRun,
    shards: Iterator[list[ClipJob]],
    clips: int,
    client: Any,
    wait_s: float | None,
    *,
    has_memory: bool,
) -> None:
    failed, proven = 0, _proven(run)
    profile = run.resolved.profile.name
    resources = GPU if run.resolved.device == "cuda" else None
    lock = run.manifests.root, score_lock(run.generator)
    dispatch = partial(run_shards, client, lock=lock, resources=resources, wait_s=wait_s)
    suspects = Suspects[ClipJob](proven=proven)
    with (
        shard_log(run.manifests, run.generator, profile) as log,
        tqdm(total=clips, desc=f"score {run.generator} ({profile})", unit="clip", smoothing=0.1, disable=None) as bar,
    ):

        def reports(run: ScoringRun, shards: Iterable[list[ClipJob]]) -> Iterator[tuple[list[ClipJob], ShardResult]]:
            enough = run.proven or (proven and has_memory)
            for done in dispatch(partial(score_shard, run=run), shards, proven=enough):
                why = f"{done.error}, or did not end within {run.deadline_s:g} s" if run.deadline_s else done.error
                lost = [dataclasses.replace(job, error=ClipError(why)) for job in done.items]
                yield done.items, done.result or score_shard(lost, run=run)

        def book(items: list[ClipJob], report: ShardResult) -> None:
            nonlocal failed
            failed += report.failed
            log(report)
            bar.set_postfix(failed=failed)
            bar.update(len(items))

        for items, report in reports(run, shards):
            if report.fault is not None:
                suspects.hold(items, report.fault)
                continue
            if report.scored:
                suspects.prove()
            book(items, report)
        alone = ([job] for job in suspects.release())
        for items, report in reports(dataclasses.replace(run, proven=True), alone):
            book(items, report)


def _proven(run: ScoringRun) -> bool:
    """Return whether a clip was scored under these fingerprints with the packages that are installed now."""
    installed = packages().items()
    for metric in run.resolved.metrics:
        columns = ["fingerprint", "environment", "status"]
        rows = run.manifests.read(SCORES, columns, **run.partition(metric))
        ours = (pc.field("fingerprint") == run.resolved.fingerprints[metric]) & (pc.field("status") == Status.OK.value)
        made_by = rows.filter(ours)["environment"].unique().to_pylist()
        known = (described(run.manifests, key) for key in made_by)
        if any(it and all(it.get(name, version) == version for name, version in installed) for it in known):
            return True
    return False
