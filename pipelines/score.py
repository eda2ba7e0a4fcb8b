"""Score a generator: every clip that has no score yet under this profile, each decoded once."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.backends import registry
from hfv_builder.config import Profile
from hfv_builder.manifest import Manifests
from hfv_builder.records import METRICS, ClipError, Metric, Status, UsageError
from hfv_builder.schema import CLIPS, SCORES
from pipelines.cluster import Cluster, run_shards
from pipelines.outcome import DONE, SHOWN, SOME_FAILED, Outcome, paragraphs, table

SHARD = 8
"""Clips that one task scores at most: what a lost worker costs."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Work:
    """A clip and the metrics that it lacks."""

    clip_id: str
    path: str
    metrics: tuple[Metric, ...]
    error: str | None = None
    """Why it cannot be scored, if the catalogue knows it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What all shards of a run share; small enough to travel with each."""

    manifests: Manifests
    generator: str
    profile: Profile
    metrics: tuple[Metric, ...]
    fingerprints: dict[Metric, str]
    device: str


def score(
    manifests: Manifests,
    generator: str,
    profile: Profile,
    *,
    metrics: Iterable[Metric] = METRICS,
    retry_failed: bool = False,
    cluster: Cluster | None = None,
    device: str = "cpu",
) -> Outcome:
    """Score what is missing, then make each metric one sorted part with a row per clip.

    Args:
        retry_failed: score clips again that failed under this profile before.
        cluster: where the tasks run; one local process a core unless it says otherwise.

    Raises:
        UsageError: the generator has no clips, or weights are missing.
    """
    started = time.time()
    metrics = tuple(metrics)
    clips = clips_of(manifests, generator, ["clip_id", "path", "num_frames", "status", "error"])
    task = Task(
        manifests=manifests,
        generator=generator,
        profile=profile,
        metrics=metrics,
        fingerprints=registry.fingerprints(profile),
        device=device,
    )
    with manifests.lock(f"score-{generator}"):
        todo = _todo(task, clips, retry_failed)
        broken = [work for work in todo if work.error]
        if broken:
            write_shard(broken, task=task)
        sound = [work for work in todo if not work.error]
        if sound:
            with (cluster or Cluster()).connect() as client:
                _score_all(task, sound, client)
        for metric in metrics:
            _settle(task, metric)
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


_local = threading.local()


def _scorer(task: Task) -> Any:
    """The models of this thread, loaded when its first clip comes: too large to travel, and not thread-safe."""
    key = (task.profile, task.metrics, task.device)
    if getattr(_local, "key", None) != key:
        import cv2
        import torch

        from hfv_builder.scoring import Scorer

        # One thread a worker: no oversubscription, and sums that do not depend on the number of workers.
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        _local.scorer = Scorer(task.profile, metrics=task.metrics, device=task.device)
        _local.key = key
    return _local.scorer


def write_shard(shard: list[Work], *, task: Task) -> int:
    """Score some clips and write their rows, one part a metric; the number of clips that failed."""
    rows: dict[Metric, list[Row]] = {metric: [] for metric in task.metrics}
    for work in shard:
        for metric, row in score_clip(work, task).items():
            rows[metric].append(row)
    for metric, found in rows.items():
        if found:
            keys = [task.fingerprints[metric], *(row["clip_id"] for row in found)]
            name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
            table = pa.Table.from_pylist(found, schema=SCORES.schema)
            task.manifests.add(SCORES, table, name=name, metric=metric.value, generator=task.generator)
    failed = {row["clip_id"] for found in rows.values() for row in found if row["status"] != Status.OK}
    return len(failed)


def score_clip(work: Work, task: Task) -> dict[Metric, Row]:
    """The rows of one clip. Whatever it does, it gets them: a failure is a row with the reason."""
    from hfv_builder.video import decode

    scores: dict[Metric, Any] = {}
    error = work.error
    if error is None:
        try:
            chunks = decode(Path(work.path), decoder=task.profile.decoder, pairs=task.profile.pairs)
            scores = _scorer(task).score(chunks, work.metrics)
        except ClipError as raised:
            error = str(raised)
        except (ArithmeticError, MemoryError, RuntimeError, ValueError) as raised:
            # A model or a library that cannot cope with this clip must not take the others along.
            error = f"{type(raised).__name__}: {raised}".splitlines()[0]
    rows = {}
    for metric in work.metrics:
        row = dict.fromkeys(SCORES.schema.names) | {
            "clip_id": work.clip_id,
            "generator": task.generator,
            "metric": metric.value,
            "profile": task.profile.name,
            "fingerprint": task.fingerprints[metric],
            "status": Status.FAILED.value,
            "error": error,
        }
        found = scores.get(metric)
        if found is not None:
            row |= {"score": found.value, "components": sorted(found.components.items()), "error": found.error}
            row |= {"frames": found.frames, "trace": found.trace}
            row["status"] = (Status.OK if found.error is None else Status.FAILED).value
        rows[metric] = row
    return rows


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
