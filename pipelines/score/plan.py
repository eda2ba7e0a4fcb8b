"""The plan of a scoring run: on which device, which clips, in which shards."""

from collections.abc import Iterable, Iterator
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.backends import registry
from hfv_builder.frames.video import decoder_version
from hfv_builder.profiles.profile import Profile
from hfv_builder.records import Metric, NotScored, Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from pipelines.person_run import person_run
from pipelines.score.run import ClipJob, ScoringRun
from pipelines.versions import packages
from pipelines.workers.cluster import Cluster

NEEDED = ["clip_id", "path", "num_frames", "width", "height", "status", "error"]
"""The columns of `clips` that a plan needs."""
DEADLINE_S = 900.0
"""Time limit for one clip."""
PATIENT_DEADLINE_S = 86_400.0
"""Time limit for one clip when learnt models run on a CPU."""
SHARD = 64
"""Maximum number of clips per task."""
SHARD_PIXELS = 1 << 30
"""Maximum number of pixels of all frames per task, unless a single clip has more: the cost of a lost worker."""
ROWS_READ = 20_000
"""Rows of a table that are converted to Python objects at a time."""


def plan_run(
    manifests: Manifests,
    generator: str,
    profile: Profile,
    metrics: Iterable[Metric],
    cluster: Cluster,
    *,
    device: str | None,
    deadline_s: float | None,
) -> ScoringRun:
    """Return what all shards share: the resolved profile, the packages, and the deadline of a clip.

    Raises:
        UsageError: weights, packages, the decoder or the GPU asked for are missing, or a deadline cannot be kept.
    """
    metrics = tuple(metrics)
    registry.require(profile, metrics)
    decoder_version(profile.decoder)  # raises if the decoder is missing
    if device is None:
        device = _choose_device(manifests, generator, profile, metrics, cluster)
    elif device == "cuda" and cluster.local and not cluster.has_gpus():
        raise UsageError("no GPU is found here: leave out --device, or name the GPUs in CUDA_VISIBLE_DEVICES")
    if cluster.in_this_process and deadline_s:
        raise UsageError("a deadline cannot be kept without worker processes: leave out --deadline, or --workers 0")
    slow = device == "cpu" and bool(registry.learnt(profile, metrics))
    if not cluster.in_this_process:
        deadline_s = deadline_s or (PATIENT_DEADLINE_S if slow else DEADLINE_S)
    return ScoringRun(
        manifests=manifests,
        generator=generator,
        resolved=registry.resolve(profile, metrics, device=device),
        packages=packages(),
        shard_clips=1 if slow else SHARD,
        deadline_s=deadline_s,
        # With learnt models it takes a negligible share of the time, with classical ones a tenth or more.
        people=person_run() if registry.learnt(profile, metrics) else None,
    )


def _choose_device(
    manifests: Manifests, generator: str, profile: Profile, metrics: tuple[Metric, ...], cluster: Cluster
) -> str:
    """Return the default device: a GPU if there is one and a model is learnt.

    Raises:
        UsageError: there are scores by another kind of device.
    """
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
                f"where this would run: give --device {other} to continue there, or --device {device} to score all"
            )
    return device


def clips_to_score(run: ScoringRun, clips: pa.Table, *, retry_failed: bool) -> pa.Table:
    """Return the clips that lack a score, sorted by clip_id; a bool column for each metric says which is missing."""
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
    rows = run.manifests.read(SCORES, columns, **run.partition(metric))
    rows = rows.filter(pc.equal(rows["fingerprint"], run.resolved.fingerprints[metric]))
    succeeded = pc.equal(rows["status"], Status.OK.value)
    not_scored = pc.and_(pc.invert(succeeded), pc.is_null(rows["environment"]))
    scored = succeeded if retry_failed else pc.invert(not_scored)
    return tuple(rows.filter(each)["clip_id"].combine_chunks() for each in (scored, not_scored))


def shards_of(todo: pa.Table, run: ScoringRun, *, valid: bool = True, shares: int = 1) -> Iterator[list[ClipJob]]:
    """Yield the clips in shards of a bounded size.

    Only a few clips are Python objects at a time. Shards get smaller towards the end, so that no worker is left with a
    long one while the others are idle (guided self-scheduling: Polychronopoulos and Kuck, IEEE Transactions on
    Computers 1987).

    Args:
        valid: yield the clips that were catalogued without an error, or else those with one.
        shares: the minimum number of shards that the remaining clips are divided into.
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
            if shard and (len(shard) >= min(run.shard_clips, left // shares) or pixels + job.pixels > SHARD_PIXELS):
                yield shard
                left -= len(shard)
                shard, pixels = [], 0
            shard.append(job)
            pixels += job.pixels
    if shard:
        yield shard
