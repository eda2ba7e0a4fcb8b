"""Score a generator: every clip that has no score yet under this profile, each decoded once."""

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.backends import registry
from hfv_builder.config import Profile
from hfv_builder.manifest import Manifests
from hfv_builder.places import writable
from hfv_builder.records import METRICS, Metric, Status, UsageError
from hfv_builder.schema import CLIPS, EMBEDDINGS, SCORES
from pipelines.cluster import GPU, Cluster
from pipelines.outcome import DONE, SHOWN, SOME_FAILED, Outcome, paragraphs, table
from pipelines.settle import settle
from pipelines.shard import STAMP, Report, Task, Work, write_shard
from pipelines.shards import run_shards

SHARD = 64
"""Clips that one task scores at most."""
SHARD_PIXELS = 1 << 30
"""Pixels of all frames that one task scores at most, unless a single clip has more: what a lost worker costs."""
DEADLINE_S = 900.0
"""How long one clip may take, unless learnt models see it on a CPU."""
PATIENT_DEADLINE_S = 86_400.0
IMPORTS = ("pipelines.shard", "hfv_builder.scoring", "hfv_builder.video", "av")
"""What every worker needs that scores."""
ROWS_READ = 100_000
"""Rows of a table that are Python objects at one time."""

LISTED = 1000
"""Clips that a run report names at most; their rows name them all."""
ODD = ("declared", "decoded", "repeated")

Row = dict[str, Any]


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
    """Score what is missing, then make each metric one sorted part with a row per clip.

    Args:
        retry_failed: score clips again that failed under this profile before.
        cluster: where the tasks run; unless it says otherwise one local process a core, or one a GPU.
        device: `cpu` or `cuda`; None takes CUDA if the profile has learnt models and there is a GPU.
        deadline_s: how long one clip may take before it counts as failed; None takes what suits the profile.

    Raises:
        UsageError: the generator has no clips, or weights are missing.
    """
    started = time.time()
    metrics = tuple(metrics)
    cluster = cluster or Cluster()
    columns = ["clip_id", "path", "num_frames", "width", "height", "status", "error"]
    clips = clips_of(manifests, generator, columns)
    registry.require(profile, metrics)
    learnt = bool(registry.learnt(profile, metrics))
    if device is None:
        device = "cuda" if learnt and cluster.has_gpus() else "cpu"
    slow = learnt and device == "cpu"
    task = Task(
        manifests=manifests,
        generator=generator,
        profile=profile,
        metrics=metrics,
        fingerprints=registry.fingerprints(profile, device=device),
        device=device,
        deadline_s=None if cluster.in_this_process else deadline_s or (PATIENT_DEADLINE_S if slow else DEADLINE_S),
    )
    with manifests.lock(f"score-{generator}"):
        todo = _todo(task, clips, retry_failed)
        sound = todo.filter(pc.is_null(todo["error"]))
        for shard in _shards(todo.filter(pc.is_valid(todo["error"])), task, SHARD):
            write_shard(shard, task=task)
        if len(sound):
            with cluster.connect(imports=IMPORTS, each_a_gpu=device == "cuda") as client:
                # Small runs get small shards, so that all workers have some and the bar moves.
                most = 1 if slow else max(1, min(SHARD, len(sound) // (4 * max(1, len(client.nthreads())))))
                _score_all(task, _shards(sound, task, most), len(sound), client)
        for metric in metrics:
            _settle_scores(task, metric, len(clips))
        _settle_embeddings(task, len(clips))
    return _outcome(task, clips, scored=len(sound), started=started)


def clips_of(manifests: Manifests, generator: str, columns: list[str]) -> pa.Table:
    """The catalogued clips of a generator, a row for each content: exact copies are left out.

    Raises:
        UsageError: it has none.
    """
    rows = manifests.read(CLIPS, sorted({*columns, "status", "clip_id"}), generator=generator)
    if not len(rows):
        known = [keys["generator"] for keys in manifests.partitions(CLIPS)]
        have = f"; it knows {', '.join(known)}" if known else ", which is empty"
        cure = f"run `hfv catalog --generator {generator} --clips DIR`"
        raise UsageError(f"{generator!r} has no clips in {manifests.root}{have}: {cure}")
    return rows.filter((pc.field("status") != Status.REJECTED.value) & (pc.field("clip_id") != ""))


def _todo(task: Task, clips: pa.Table, retry_failed: bool) -> pa.Table:
    """The clips that lack a score of some metric, in the order of clip ids; a column for each metric says which."""
    for metric in task.metrics:
        done = pc.is_in(clips["clip_id"], value_set=_done(task, metric, retry_failed))
        clips = clips.append_column(metric.value, pc.invert(done))
    lacking = reduce(pc.or_, (clips[metric.value] for metric in task.metrics))
    return clips.filter(lacking).sort_by("clip_id")


def _done(task: Task, metric: Metric, retry_failed: bool) -> pa.Array:
    columns = ["clip_id", "fingerprint", "status"]
    rows = task.manifests.read(SCORES, columns, metric=metric.value, generator=task.generator)
    ours = pc.equal(rows["fingerprint"], task.fingerprints[metric])
    if retry_failed:
        ours = pc.and_(ours, pc.equal(rows["status"], Status.OK.value))
    return rows.filter(ours)["clip_id"].combine_chunks()


def _shards(todo: pa.Table, task: Task, most: int) -> Iterator[list[Work]]:
    """The clips in shards of a bounded size; only a few of them are Python objects at a time."""
    shard: list[Work] = []
    pixels = 0
    for batch in todo.to_batches(max_chunksize=ROWS_READ):
        for row in batch.to_pylist():
            work = Work(
                clip_id=row["clip_id"],
                path=row["path"],
                metrics=tuple(metric for metric in task.metrics if row[metric.value]),
                num_frames=row["num_frames"],
                pixels=(row["num_frames"] or 0) * (row["width"] or 0) * (row["height"] or 0),
                error=row["error"],
            )
            if shard and (len(shard) == most or pixels + work.pixels > SHARD_PIXELS):
                yield shard
                shard, pixels = [], 0
            shard.append(work)
            pixels += work.pixels
    if shard:
        yield shard


def _score_all(task: Task, shards: Iterator[list[Work]], clips: int, client: Any) -> None:
    failed = 0
    description = f"score {task.generator} ({task.profile.name})"
    resources = GPU if task.device == "cuda" else None
    runs = writable(task.manifests.root / "runs")
    log = runs / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%f')[:-3]}-score-shards.jsonl"
    with (
        log.open("w") as lines,
        tqdm(total=clips, desc=description, unit="clip", smoothing=0.1, disable=None) as bar,
    ):
        for done in run_shards(client, partial(write_shard, task=task), shards, resources=resources):
            report = done.result
            if report is None:
                why = f"{done.error}, or did not end within {task.deadline_s:g} s" if task.deadline_s else done.error
                report = write_shard([dataclasses.replace(done.items[0], error=why)], task=task)
            failed += report.failed
            print(_line(report), file=lines, flush=True)
            bar.set_postfix(failed=failed)
            bar.update(len(done.items))


def _line(report: Report) -> str:
    """A shard's line of the log."""
    seconds = {name: round(value, 3) for name, value in vars(report).items() if name.endswith("_s")}
    return json.dumps({**vars(report), **seconds})


def _settle_scores(task: Task, metric: Metric, clips: int) -> None:
    """A row a clip, without what newer scores of the same clips supersede."""

    def choose(parts: list[pa.Table]) -> pa.Table:
        rows = pa.concat_tables(parts)
        ours = pc.equal(rows["fingerprint"], task.fingerprints[metric])
        # A failed clip that was tried again has two rows under one fingerprint; the better one stays.
        new = rows.filter(ours).sort_by([("clip_id", "ascending"), ("status", "descending")])
        ids = new["clip_id"].to_pylist()
        new = new.filter(pa.array([i == 0 or ids[i - 1] != each for i, each in enumerate(ids)], pa.bool_()))
        others = rows.filter(pc.invert(ours))
        others = others.filter(pc.invert(pc.is_in(others["clip_id"], new["clip_id"].combine_chunks())))
        return pa.concat_tables([new, others])

    settle(task.manifests, SCORES, choose, clips=clips, metric=metric.value, generator=task.generator)


def _settle_embeddings(task: Task, clips: int) -> None:
    """The newest row of each clip, for each model."""
    current = {STAMP: task.fingerprints[Metric.APPEARANCE].encode()}

    def choose(parts: list[pa.Table]) -> pa.Table:
        parts.sort(key=lambda part: part.schema.metadata.get(STAMP) != current[STAMP])
        rows = pa.concat_tables([part.replace_schema_metadata(current) for part in parts])
        first = {clip_id: place for place, clip_id in reversed(list(enumerate(rows["clip_id"].to_pylist())))}
        return rows.take(pa.array(first.values(), pa.int64()))

    for keys in task.manifests.partitions(EMBEDDINGS, generator=task.generator):
        settle(task.manifests, EMBEDDINGS, choose, clips=clips, **keys)


def _outcome(task: Task, clips: pa.Table, *, scored: int, started: float) -> Outcome:
    seconds = time.time() - started
    counts: list[Row] = []
    reasons: dict[str, str] = {}
    for metric in task.metrics:
        columns = ["clip_id", "score", "status", "error"]
        rows = task.manifests.read(SCORES, columns, metric=metric.value, generator=task.generator)
        rows = rows.filter(pc.is_in(rows["clip_id"], value_set=clips["clip_id"].combine_chunks()))
        fine = pc.equal(rows["status"], Status.OK.value)
        values = np.sort(rows.filter(fine)["score"].to_numpy())
        lost = rows.filter(pc.invert(fine))
        reasons |= dict(zip(lost["clip_id"].to_pylist(), lost["error"].to_pylist(), strict=True))
        counts.append(
            {
                "metric": metric.value,
                "scored": len(values),
                "failed": len(lost),
                "lowest": float(values[0]) if len(values) else None,
                "median": float(values[len(values) // 2]) if len(values) else None,
                "highest": float(values[-1]) if len(values) else None,
                "fingerprint": task.fingerprints[metric],
            }
        )
    odd = _suspicious(task)
    paths = _paths(clips, [*reasons, *odd])
    failures = [{"file": paths[clip_id], "reason": reason} for clip_id, reason in sorted(reasons.items())]
    suspicious = [{"file": paths[clip_id], "why": why} for clip_id, why in sorted(odd.items()) if clip_id in paths]
    rate = f" in {seconds:.1f} s ({scored / seconds:.1f} clips/s)" if scored else ""
    text = paragraphs(
        f"{task.generator}: {scored} clips scored now{rate}, profile {task.profile.name}",
        table(counts),
        table(suspicious, f"suspicious, scored all the same: {len(suspicious)}", limit=SHOWN),
        table(failures, f"failed: {len(failures)}", limit=SHOWN),
        f"scores are in {task.manifests.root / 'scores'}; next: hfv label",
    )
    summary = {
        "generator": task.generator,
        "profile": task.profile.name,
        "scored_now": scored,
        "clips_per_second": round(scored / seconds, 3),
        "metrics": counts,
        "failed": len(failures),
        "failures_by_reason": dict(Counter(reasons.values()).most_common()),
        "failures": failures[:LISTED],
        "suspicious": suspicious[:LISTED],
        "manifests": str(task.manifests.root),
    }
    return Outcome(summary=summary, text=text, exit_code=SOME_FAILED if failures else DONE, started=started)


def _suspicious(task: Task) -> dict[str, str]:
    """What is odd about clips that were scored, by clip id; the rows of any metric tell it."""
    metric = task.metrics[0]
    rows = task.manifests.read(
        SCORES, ["clip_id", "components", "fingerprint"], metric=metric.value, generator=task.generator
    )
    rows = rows.filter(pc.equal(rows["fingerprint"], task.fingerprints[metric]))
    found: dict[str, list[str]] = {}
    declared, decoded, repeated = (pc.map_lookup(rows["components"], f"frames_{name}", "first") for name in ODD)
    ids = rows["clip_id"]
    for at in np.flatnonzero(pc.is_valid(declared).to_numpy()):
        found.setdefault(ids[at].as_py(), []).append(
            f"declares {declared[at].as_py():.0f} frames, has {decoded[at].as_py():.0f}"
        )
    for at in np.flatnonzero(pc.is_valid(repeated).to_numpy()):
        found.setdefault(ids[at].as_py(), []).append(
            f"{repeated[at].as_py():.0f} frames in a row repeat the one before"
        )
    return {clip_id: "; ".join(why) for clip_id, why in found.items()}


def _paths(clips: pa.Table, ids: list[str]) -> dict[str, str]:
    """The paths of these clips."""
    some = clips.filter(pc.is_in(clips["clip_id"], value_set=pa.array(ids, pa.string())))
    return dict(zip(some["clip_id"].to_pylist(), some["path"].to_pylist(), strict=True))
