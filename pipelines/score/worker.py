"""The work on a shard, in a worker: score a few clips and write their rows."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hfv_builder.frames.checks import Watch
from hfv_builder.frames.signals import SignalWatch
from hfv_builder.people.watch import PersonWatch
from hfv_builder.records import Metric, NotScored, Status, UsageError
from hfv_builder.storage.places import blame_disks, local_copy, place, put, writable
from hfv_builder.storage.schema import EMBEDDINGS, SCORES
from hfv_builder.storage.supersession import MADE_WITH
from pipelines.environment import environment, environment_id, keep
from pipelines.person_run import people_of
from pipelines.score.models import scorer_of
from pipelines.score.rows import Row, embeddings_table, score_row
from pipelines.score.run import ClipJob, ScoringRun, ShardResult
from pipelines.score.signal_rows import add_signals, signal_row
from pipelines.workers.deadline import deadline
from pipelines.workers.faults import OUR_FAULTS, described

if TYPE_CHECKING:
    from hfv_builder.scoring.scorer import ClipScores


REPLACED = "it was replaced while it was scored; run `hfv catalog` again"


def score_shard(shard: list[ClipJob], *, run: ScoringRun) -> ShardResult:
    """Score some clips and write their rows, one part per metric."""
    resolved, profile = run.resolved, run.resolved.profile
    rows: dict[Metric, list[Row]] = {metric: [] for metric in resolved.metrics}
    embeddings: dict[str, list[tuple[str, Any]]] = {}
    valid = [job for job in shard if not job.error]
    scorer = scorer_of(run) if valid else None
    made_by = environment(profile.decoder, resolved.device, computing=scorer is not None)
    made_by_id = environment_id(made_by)
    started, decode_s, evidence_s = time.perf_counter(), 0.0, 0.0
    faults: list[str] = []
    looked_at: list[Row] = []
    scored = 0
    with _decoded(valid, run) as decoded, deadline(run.deadline_s) as begin:
        for job, chunks in decoded:
            begin()
            signals = SignalWatch(chunks)
            persons = PersonWatch(signals, job.num_frames or 0) if run.people and profile.decodes_all else None
            watch = Watch(persons or signals)
            found, raised = _score(job, watch, scorer, run)
            if isinstance(raised, OUR_FAULTS):
                faults.append(described(raised))
            scored += bool(found.scores)
            decode_s += watch.seconds
            if found.scores and signals.decoded and profile.decodes_all:
                people = people_of(persons, run.people) if persons and run.people else None
                looked_at.append(signal_row(job.clip_id, run.generator, signals.compute(), people=people))
            declared = None if profile.pairs or profile.rate else job.num_frames
            odd = watch.suspicions(declared) if found.scores else {}
            for metric in job.metrics:
                score = found.scores.get(metric)
                rows[metric].append(score_row(job.clip_id, metric, run, score, raised, odd, environment=made_by_id))
            appearance = found.scores.get(Metric.APPEARANCE)
            for model, vectors in found.embeddings.items() if appearance and appearance.error is None else ():
                embeddings.setdefault(model, []).append((job.clip_id, vectors))
            writing = time.perf_counter()
            for metric, picture in found.evidence.items():
                path = run.manifests.evidence(job.clip_id, metric, profile=profile.name, generator=run.generator)
                writable(path.parent)
                put(path, picture)
            evidence_s += time.perf_counter() - writing
    ended = time.perf_counter()
    score_s = ended - started - decode_s - evidence_s
    clips = [job.clip_id for job in shard]
    if faults and not scored and not run.proven:
        return ShardResult(clips=clips, failed=len(clips), fault=faults[0], decode_s=decode_s, score_s=score_s)
    for job in shard:
        if job.error:
            for metric in job.metrics:
                rows[metric].append(score_row(job.clip_id, metric, run, None, job.error, environment=made_by_id))
    keep(run.manifests, made_by)
    if looked_at:
        add_signals(run.manifests, run.generator, looked_at)
    _write_rows(rows, embeddings, run)
    return ShardResult(
        clips=clips,
        scored=scored,
        failed=len({row["clip_id"] for found in rows.values() for row in found if row["status"] != Status.OK}),
        decode_s=decode_s,
        score_s=score_s,
        write_s=time.perf_counter() - ended + evidence_s,
    )


def _write_rows(rows: dict[Metric, list[Row]], embeddings: dict[str, list[tuple[str, Any]]], run: ScoringRun) -> None:
    """Write the embeddings first, then the scores: a clip counts as done once its scores exist."""
    fingerprints = run.resolved.fingerprints
    for model, found in embeddings.items():
        keys = {"model": model, "generator": run.generator}
        name = _name(fingerprints[Metric.APPEARANCE], *(clip_id for clip_id, _ in found))
        made_with = {MADE_WITH: fingerprints[Metric.APPEARANCE]}
        table = embeddings_table(found, keys).replace_schema_metadata(made_with)
        run.manifests.add(EMBEDDINGS, table, name=name, **keys)
    for metric, scored in rows.items():
        if scored:
            name = _name(fingerprints[metric], *(row["clip_id"] for row in scored))
            schema = SCORES.schema.with_metadata({MADE_WITH: fingerprints[metric]})
            table = pa.Table.from_pylist(scored, schema=schema)
            run.manifests.add(SCORES, table, name=name, **run.partition(metric))


@contextlib.contextmanager
def _decoded(shard: list[ClipJob], run: ScoringRun) -> Iterator[Iterable[tuple[ClipJob, Iterable[Any]]]]:
    """Yield pairs of job and frames; on a GPU the next clip is decoded while one is scored.

    On the CPU a decoder thread would only take the core of another worker.
    """
    from hfv_builder.frames.prefetch import looking_ahead
    from hfv_builder.frames.video import decode

    profile = run.resolved.profile

    def frames(job: ClipJob) -> Iterator[Any]:
        with catalogued_file(job) as file:
            yield from decode(
                file,
                decoder=profile.decoder,
                pairs=profile.pairs,
                rate=profile.rate,
                runs=profile.runs,
                min_decoded=profile.min_decoded,
            )

    if run.resolved.device == "cpu":
        yield ((job, frames(job)) for job in shard)
    else:
        with looking_ahead(shard, frames, pin=True) as ahead:
            yield ahead


@contextlib.contextmanager
def catalogued_file(job: ClipJob) -> Iterator[Path]:
    """Yield the file of the clip, after checking that its content is the catalogued one.

    Raises:
        NotScored: the file is missing or has changed, or changes in the block.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(local_copy(place(job.path)))
            before = file.stat()
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise NotScored(error.strerror or str(error)) from error
        if not found.startswith(job.clip_id):
            raise NotScored("it has changed since it was catalogued; run `hfv catalog` again")
        try:
            yield file
        except Exception as error:
            if _is_replaced(file, before):
                raise NotScored(REPLACED) from error
            raise
        if _is_replaced(file, before):
            raise NotScored(REPLACED)


def _is_replaced(file: Path, before: os.stat_result) -> bool:
    """Return whether a file has another size or time than before; False if it was deleted."""
    try:
        after = file.stat()
    except OSError:
        return False
    return (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns)


def _score(job: ClipJob, chunks: Iterable[Any], scorer: Any, run: ScoringRun) -> "tuple[ClipScores, Exception | None]":
    """Return the scores of a clip; if it failed, no scores and the exception.

    Raises:
        UsageError: the folder of the clip is unreachable, so the clip is not to blame.
    """
    from hfv_builder.scoring.scorer import ClipScores

    try:
        return scorer.score(chunks, job.metrics), None
    except UsageError:
        raise
    except Exception as error:  # decoders, models and libraries raise errors of many types
        _leave_a_lost_gpu(error, run)
        blame_disks(place(job.path), error)
        return ClipScores(), error


def _leave_a_lost_gpu(error: Exception, run: ScoringRun) -> None:
    """Exit this process if the error means that its GPU is lost, since every later clip would fail because of it.

    Raises:
        Exception: the error itself, if no nanny would start another process.
    """
    import torch

    if isinstance(error, torch.AcceleratorError):
        if run.deadline_s is None:
            raise error
        os._exit(1)


def _name(*keys: str) -> str:
    """Return the name of a part: a hash of its content, so that the same work done twice gives one part."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
