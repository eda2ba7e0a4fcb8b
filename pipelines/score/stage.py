"""Score a generator: every clip that has no score yet under this profile, each decoded once."""

import dataclasses
import time
from collections.abc import Iterable, Iterator
from functools import partial, reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.backends import registry
from hfv_builder.frames.video import decoder_version
from hfv_builder.profiles.profile import Profile
from hfv_builder.records import METRICS, ClipError, Metric, NotScored, Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import EMBEDDINGS, SCORES
from hfv_builder.storage.supersession import MADE_WITH, newest_embeddings, newest_scores
from pipelines.environment import described
from pipelines.generators import clips_of
from pipelines.outcome import Outcome
from pipelines.score.adopt import adopt_scores
from pipelines.score.compaction import settle
from pipelines.score.old_scores import move_old_scores
from pipelines.score.shard_log import shard_log
from pipelines.score.summary import tally
from pipelines.score.worker import ClipJob, ScoringRun, ShardResult, score_shard
from pipelines.versions import packages
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards
from pipelines.workers.faults import Suspects
from pipelines.workers.local import GPU

SHARD = 64
"""Clips that one task scores at most."""
SHARD_PIXELS = 1 << 30
"""Pixels of all frames that one task scores at most, unless a single clip has more: what a lost worker costs."""
SHARES = 4
"""For each worker, into how many shards what is left is divided at least."""
DEADLINE_S = 900.0
"""How long one clip may take, unless learnt models see it on a CPU."""
PATIENT_DEADLINE_S = 86_400.0
IMPORTS = ("pipelines.score.worker", "hfv_builder.scoring.scorer", "hfv_builder.frames.video", "av")
"""What every worker needs that scores."""
SCORED_ROWS = 20_000
"""Clips whose scores are in one part, about: for each, eight bytes a frame, several times while it is made."""
EMBEDDED_ROWS = 500
"""Clips whose embeddings are in one part, about: for each, a kilobyte a frame."""
ROWS_READ = 20_000
"""Rows of a table that are Python objects at one time."""


def score(
    manifests: Manifests,
    generator: str,
    profile: Profile,
    *,
    metrics: Iterable[Metric] = METRICS,
    retry_failed: bool = False,
    cluster: Cluster | None = None,
    device: str | None = None,
    deadline_s: float | None = None,
) -> Outcome:
    """Score what is missing under this profile, then compact the rows of each metric, sorted by clip.

    Rows of other profiles are not touched. Rows of this profile under another fingerprint are replaced clip by clip,
    where the new score succeeds.

    Args:
        retry_failed: score clips again that failed under this profile before.
        cluster: where the tasks run; unless it says otherwise one local process a core, or one a GPU.
        device: `cpu` or `cuda`; None takes CUDA if the profile has learnt models and there is a GPU.
        deadline_s: how long one clip may take before it counts as failed; None takes what suits the profile.

    Raises:
        UsageError: the generator has no clips, or weights, the decoder or the GPU asked for are missing.
    """
    started = time.time()
    metrics, cluster = tuple(metrics), cluster or Cluster()
    columns = ["clip_id", "path", "num_frames", "width", "height", "status", "error"]
    clips = clips_of(manifests, generator, columns)
    registry.require(profile, metrics)
    decoder_version(profile.decoder)  # which raises if it is not there
    device = _device(manifests, generator, profile, metrics, cluster, device)
    slow = device == "cpu" and bool(registry.learnt(profile, metrics))
    if cluster.in_this_process and deadline_s:
        raise UsageError("in this very process nothing can be ended: leave out --deadline, or --workers 0")
    if not cluster.in_this_process:
        deadline_s = deadline_s or (PATIENT_DEADLINE_S if slow else DEADLINE_S)
    run = ScoringRun(
        manifests=manifests,
        generator=generator,
        resolved=registry.resolve(profile, metrics, device=device),
        packages=packages(),
        deadline_s=deadline_s,
    )
    with manifests.lock(f"score-{generator}"):
        move_old_scores(manifests, generator)
        # What an interrupted run left is compacted before more is added, so that what was added is always newer.
        _compact(run, len(clips))
        copied = sum(
            adopt_scores(manifests, fingerprint, profile=profile.name, metric=metric, generator=generator)
            for metric, fingerprint in run.resolved.fingerprints.items()
        )
        todo = _todo(run, clips, retry_failed)
        clips = clips.select(["clip_id", "path"])  # of a million clips every column counts
        valid = todo["error"].null_count
        for shard in _shards(todo, run, SHARD, valid=False):
            score_shard(shard, run=run)
        if valid:
            with cluster.connect(imports=IMPORTS, each_a_gpu=device == "cuda") as client:
                # Jobs of a batch system may still be waiting for their turn.
                shares = SHARES * max(1, cluster.workers or 0, sum(client.nthreads().values()))
                shards = _shards(todo, run, 1 if slow else SHARD, shares=shares)
                _score_all(run, shards, valid, client, cluster.wait_s)
        del todo
        _compact(run, len(clips), at_end=True)
    return tally(run, clips, scored=valid, copied=copied, started=started)


def _device(
    manifests: Manifests,
    generator: str,
    profile: Profile,
    metrics: tuple[Metric, ...],
    cluster: Cluster,
    asked: str | None,
) -> str:
    """Where the models run.

    Raises:
        UsageError: there is no GPU though one is asked for, or nobody said where and there are scores of elsewhere.
    """
    if asked == "cuda" and cluster.local and not cluster.has_gpus():
        raise UsageError("no GPU is found here: leave out --device, or name the GPUs in CUDA_VISIBLE_DEVICES")
    if asked is not None:
        return asked
    if not registry.learnt(profile, metrics):
        return "cpu"
    device, other = ("cuda", "cpu") if cluster.has_gpus() else ("cpu", "cuda")
    ours, theirs = (registry.resolve(profile, metrics, device=kind).fingerprints for kind in (device, other))
    for metric in metrics:
        keys = {"profile": profile.name, "metric": metric.value, "generator": generator}
        known = manifests.read(SCORES, ["fingerprint"], **keys)["fingerprint"]
        if ours[metric] != theirs[metric] and pc.any(pc.equal(known, theirs[metric])).as_py():
            raise UsageError(
                f"{generator} has {metric} scores made on {other}, which cannot be ranked with those of {device}, "
                f"where this would run: give --device {other} to go on there, or --device {device} to score all anew"
            )
    return device


def _todo(run: ScoringRun, clips: pa.Table, retry_failed: bool) -> pa.Table:
    """The clips that lack a score of some metric, in the order of clip ids; a column for each metric says which."""
    without_file = pc.is_valid(clips["error"])
    for metric in run.resolved.metrics:
        scored, not_scored = (pc.is_in(clips["clip_id"], value_set=ids) for ids in _done(run, metric, retry_failed))
        done = pc.or_(scored, pc.and_(not_scored, without_file))
        clips = clips.append_column(metric.value, pc.invert(done))
    lacking = reduce(pc.or_, (clips[metric.value] for metric in run.resolved.metrics))
    return clips.filter(lacking).sort_by("clip_id")


def _done(run: ScoringRun, metric: Metric, retry_failed: bool) -> tuple[pa.Array, pa.Array]:
    """Return the ids of the clips that a model has processed, and of those whose rows say that none could."""
    columns = ["clip_id", "fingerprint", "status", "environment"]
    rows = run.manifests.read(SCORES, columns, **_partition(run, metric))
    rows = rows.filter(pc.equal(rows["fingerprint"], run.resolved.fingerprints[metric]))
    succeeded = pc.equal(rows["status"], Status.OK.value)
    not_scored = pc.and_(pc.invert(succeeded), pc.is_null(rows["environment"]))
    scored = succeeded if retry_failed else pc.invert(not_scored)
    return tuple(rows.filter(each)["clip_id"].combine_chunks() for each in (scored, not_scored))


def _shards(
    todo: pa.Table, run: ScoringRun, most: int, *, valid: bool = True, shares: int = 1
) -> Iterator[list[ClipJob]]:
    """The clips that were catalogued without an error, or those with one, in shards of a bounded size.

    Only a few of them are Python objects at a time. Towards the end shards get smaller, so that no worker has a long
    one left when the others have nothing (guided self-scheduling: Polychronopoulos and Kuck, IEEE Transactions on
    Computers 1987).

    Args:
        most: clips in a shard.
        shares: into how many shards to divide what is left.
    """
    left = todo["error"].null_count if valid else len(todo) - todo["error"].null_count
    shard: list[ClipJob] = []
    pixels = 0
    for batch in todo.to_batches(max_chunksize=ROWS_READ):
        for row in batch.filter(pc.equal(pc.is_null(batch["error"]), valid)).to_pylist():
            job = ClipJob(
                clip_id=row["clip_id"],
                path=row["path"],
                metrics=tuple(metric for metric in run.resolved.metrics if row[metric.value]),
                num_frames=row["num_frames"],
                pixels=(row["num_frames"] or 0) * (row["width"] or 0) * (row["height"] or 0),
                error=None if valid else NotScored(row["error"]),
            )
            if shard and (len(shard) >= min(most, left // shares) or pixels + job.pixels > SHARD_PIXELS):
                yield shard
                left -= len(shard)
                shard, pixels = [], 0
            shard.append(job)
            pixels += job.pixels
    if shard:
        yield shard


def _score_all(run: ScoringRun, shards: Iterator[list[ClipJob]], clips: int, client: Any, wait_s: float | None) -> None:
    failed = 0
    profile = run.resolved.profile.name
    resources = GPU if run.resolved.device == "cuda" else None
    dispatch = partial(run_shards, client, resources=resources, wait_s=wait_s)
    suspects = Suspects[ClipJob](proven=_proven(run))
    with (
        shard_log(run.manifests, run.generator, profile) as log,
        tqdm(total=clips, desc=f"score {run.generator} ({profile})", unit="clip", smoothing=0.1, disable=None) as bar,
    ):

        def reports(run: ScoringRun, shards: Iterable[list[ClipJob]]) -> Iterator[tuple[list[ClipJob], ShardResult]]:
            for done in dispatch(partial(score_shard, run=run), shards):
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
    """Whether a clip was scored under these fingerprints by the packages that are installed now."""
    installed = packages().items()
    for metric in run.resolved.metrics:
        columns = ["fingerprint", "environment", "status"]
        rows = run.manifests.read(SCORES, columns, **_partition(run, metric))
        ours = (pc.field("fingerprint") == run.resolved.fingerprints[metric]) & (pc.field("status") == Status.OK.value)
        made_by = rows.filter(ours)["environment"].unique().to_pylist()
        known = (described(run.manifests, key) for key in made_by)
        if any(it and all(it.get(name, version) == version for name, version in installed) for it in known):
            return True
    return False


def _compact(run: ScoringRun, clips: int, *, at_end: bool = False) -> None:
    """Compact the scores of the profile and the embeddings of all, after ending replacements that were cut short.

    Args:
        clips: how many the generator has.
        at_end: do so even if no part was added, where the latest run before had another configuration: it may have
            left failures that this one supersedes.
    """
    for metric, fingerprint in run.resolved.fingerprints.items():
        keys = _partition(run, metric)
        run.manifests.recover(SCORES, **keys)
        parts = run.manifests.parts(SCORES, **keys)
        made_with = {run.manifests.metadata(SCORES, part).get(MADE_WITH) for part in parts}
        settle(
            run.manifests,
            SCORES,
            partial(newest_scores, fingerprint=fingerprint),
            clips=clips,
            part_rows=SCORED_ROWS,
            anew=at_end and not made_with <= {fingerprint.encode()},
            **keys,
        )
    for keys in run.manifests.partitions(EMBEDDINGS, generator=run.generator):
        run.manifests.recover(EMBEDDINGS, **keys)
        settle(run.manifests, EMBEDDINGS, newest_embeddings, clips=clips, part_rows=EMBEDDED_ROWS, anew=False, **keys)


def _partition(run: ScoringRun, metric: Metric) -> dict[str, str]:
    return {"profile": run.resolved.profile.name, "metric": metric.value, "generator": run.generator}
