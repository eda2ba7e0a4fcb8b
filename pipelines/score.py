"""Score a generator: every clip that has no score yet under this profile, each decoded once."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.backends import registry
from hfv_builder.config import Profile
from hfv_builder.manifest import Manifests
from hfv_builder.records import METRICS, Metric, Status, UsageError
from hfv_builder.schema import CLIPS, EMBEDDINGS, SCORES
from pipelines.cluster import Cluster, gpus, run_shards
from pipelines.outcome import DONE, SHOWN, SOME_FAILED, Outcome, paragraphs, table
from pipelines.shard import STAMP, Task, Work, write_shard

SHARD = 8
"""Clips that one task scores at most: what a lost worker costs."""

IMPORTS = ("pipelines.shard", "hfv_builder.scoring", "hfv_builder.video", "av")
"""What every worker needs that scores."""

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
) -> Outcome:
    """Score what is missing, then make each metric one sorted part with a row per clip.

    Args:
        retry_failed: score clips again that failed under this profile before.
        cluster: where the tasks run; unless it says otherwise one local process a core, or one a GPU.
        device: `cpu` or `cuda`; None takes CUDA if the profile has learnt models and this machine a GPU.

    Raises:
        UsageError: the generator has no clips, or weights are missing.
    """
    started = time.time()
    metrics = tuple(metrics)
    clips = clips_of(manifests, generator, ["clip_id", "path", "num_frames", "status", "error"])
    registry.require(profile, metrics)
    if device is None:
        device = "cuda" if registry.learnt(profile, metrics) and gpus() else "cpu"
    task = Task(
        manifests=manifests,
        generator=generator,
        profile=profile,
        metrics=metrics,
        fingerprints=registry.fingerprints(profile, device=device),
        device=device,
    )
    with manifests.lock(f"score-{generator}"):
        todo = _todo(task, clips, retry_failed)
        broken = [work for work in todo if work.error]
        if broken:
            write_shard(broken, task=task)
        sound = [work for work in todo if not work.error]
        if sound:
            with (cluster or Cluster()).connect(imports=IMPORTS, each_a_gpu=device == "cuda") as client:
                _score_all(task, sound, client)
        for metric in metrics:
            _settle(task, metric)
        _settle_embeddings(task)
    return _outcome(task, clips, scored=len(sound), started=started)


def clips_of(manifests: Manifests, generator: str, columns: list[str]) -> list[Row]:
    """The catalogued clips of a generator, a row for each content: exact copies are left out.

    Raises:
        UsageError: it has none.
    """
    rows = manifests.read(CLIPS, sorted({*columns, "status", "clip_id"}), generator=generator).to_pylist()
    if not rows:
        known = [keys["generator"] for keys in manifests.partitions(CLIPS)]
        have = f"; it knows {', '.join(known)}" if known else ", which is empty"
        cure = f"run `hfv catalog --generator {generator} --clips DIR`"
        raise UsageError(f"{generator!r} has no clips in {manifests.root}{have}: {cure}")
    return [row for row in rows if row["status"] != Status.REJECTED and row["clip_id"]]


def _todo(task: Task, clips: list[Row], retry_failed: bool) -> list[Work]:
    """The clips that lack a score of some metric, in the order of clip ids."""
    done = {metric: _done(task, metric, retry_failed) for metric in task.metrics}
    todo = []
    for clip in sorted(clips, key=lambda clip: str(clip["clip_id"])):
        missing = tuple(metric for metric in task.metrics if clip["clip_id"] not in done[metric])
        if missing:
            error = clip["error"] if clip["status"] == Status.FAILED else None
            todo.append(Work(clip_id=clip["clip_id"], path=clip["path"], metrics=missing, error=error))
    return todo


def _done(task: Task, metric: Metric, retry_failed: bool) -> set[str]:
    columns = ["clip_id", "fingerprint", "status"]
    rows = task.manifests.read(SCORES, columns, metric=metric.value, generator=task.generator)
    ours = pc.equal(rows["fingerprint"], task.fingerprints[metric])
    if retry_failed:
        ours = pc.and_(ours, pc.equal(rows["status"], Status.OK.value))
    return set(rows.filter(ours)["clip_id"].to_pylist())


def _score_all(task: Task, todo: list[Work], client: Any) -> None:
    # Small runs get small shards, so that all workers have some and the bar moves.
    size = max(1, min(SHARD, len(todo) // (4 * max(1, len(client.nthreads())))))
    shards: Iterator[list[Work]] = (todo[at : at + size] for at in range(0, len(todo), size))
    failed = 0
    description = f"score {task.generator} ({task.profile.name})"
    with tqdm(total=len(todo), desc=description, unit="clip", smoothing=0.1, disable=None) as bar:
        for done in run_shards(client, partial(write_shard, task=task), shards):
            if done.error:
                work = done.items[0]
                lost = Work(clip_id=work.clip_id, path=work.path, metrics=work.metrics, error=done.error)
                failed += write_shard([lost], task=task)
            else:
                failed += done.result or 0
            bar.set_postfix(failed=failed)
            bar.update(len(done.items))


def _settle(task: Task, metric: Metric) -> None:
    """Make the metric's rows one part, sorted by clip, without what newer scores of the same clips supersede."""
    keys = {"metric": metric.value, "generator": task.generator}
    rows = task.manifests.read(SCORES, **keys)
    ours = pc.equal(rows["fingerprint"], task.fingerprints[metric])
    # A failed clip that was tried again has two rows under one fingerprint; the better one stays.
    new = rows.filter(ours).sort_by([("clip_id", "ascending"), ("status", "descending")])
    ids = new["clip_id"].to_pylist()
    new = new.filter(pa.array([i == 0 or ids[i - 1] != each for i, each in enumerate(ids)], pa.bool_()))
    others = rows.filter(pc.invert(ours))
    others = others.filter(pc.invert(pc.is_in(others["clip_id"], new["clip_id"].combine_chunks())))
    task.manifests.replace(SCORES, [pa.concat_tables([new, others]).sort_by("clip_id")], **keys)


def _settle_embeddings(task: Task) -> None:
    """Make each model's rows one part, sorted by clip, the newest of each clip."""
    for keys in task.manifests.partitions(EMBEDDINGS, generator=task.generator):
        parts = list(task.manifests.stamped(EMBEDDINGS, **keys))
        if len(parts) == 1:
            continue
        current = task.fingerprints[Metric.APPEARANCE].encode()
        parts.sort(key=lambda part: part[1].get(STAMP) != current)
        rows = pa.concat_tables([part for part, _ in parts])
        ids = rows["clip_id"].to_pylist()
        first = {clip_id: place for place, clip_id in reversed(list(enumerate(ids)))}
        newest = rows.take(pa.array([first[clip_id] for clip_id in sorted(first)], pa.int64()))
        for column, value in keys.items():
            newest = newest.append_column(column, pa.array([value] * len(newest), pa.string()))
        task.manifests.replace(EMBEDDINGS, [newest.replace_schema_metadata({STAMP: current})], **keys)


def _outcome(task: Task, clips: list[Row], *, scored: int, started: float) -> Outcome:
    wanted = {clip["clip_id"]: clip for clip in clips}
    seconds = time.time() - started
    counts: list[Row] = []
    reasons: dict[str, str] = {}
    for metric in task.metrics:
        columns = ["clip_id", "score", "status", "error", "components"]
        rows = task.manifests.read(SCORES, columns, metric=metric.value, generator=task.generator).to_pylist()
        rows = [row for row in rows if row["clip_id"] in wanted]
        values = [row["score"] for row in rows if row["status"] == Status.OK]
        reasons |= {row["clip_id"]: row["error"] for row in rows if row["status"] != Status.OK}
        middle = sorted(values)[len(values) // 2] if values else None
        counts.append(
            {
                "metric": metric.value,
                "scored": len(values),
                "failed": len(rows) - len(values),
                "lowest": min(values, default=None),
                "median": middle,
                "highest": max(values, default=None),
                "fingerprint": task.fingerprints[metric],
            }
        )
    failures = [{"file": wanted[clip_id]["path"], "reason": reason} for clip_id, reason in sorted(reasons.items())]
    rate = f" in {seconds:.1f} s ({scored / seconds:.1f} clips/s)" if scored else ""
    text = paragraphs(
        f"{task.generator}: {scored} clips scored now{rate}, profile {task.profile.name}",
        table(counts),
        table(failures, f"{len(failures)} clips failed:", limit=SHOWN),
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
        "failures": failures,
        "manifests": str(task.manifests.root),
    }
    return Outcome(summary=summary, text=text, exit_code=SOME_FAILED if failures else DONE, started=started)
