"""Compute missing signals of clips on workers, resumably. Scored clips already have most of them."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.frames.hashing import VERSION
from hfv_builder.records import ClipError, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SIGNALS
from pipelines.audit.worker import PersonJob, looked_at, people_shard, signal_shard, unseen
from pipelines.generators import clips_of, score_lock
from pipelines.person_run import PersonRun
from pipelines.score.compaction import compact_signals
from pipelines.score.run import ClipJob
from pipelines.score.signal_rows import Row, add_signals, signal_row
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards

SHARD = 16
"""Clips per task."""
DEADLINE_S = 900.0
"""Seconds that one clip may take."""
IMPORTS = ("pipelines.audit.worker", "av", "cv2")
"""Modules that every worker imports before the first task."""
NAMES = ["clip_id", "version", "status", "person", "person_detector"]
"""Columns that decide which signals are missing."""
Job = TypeVar("Job", ClipJob, PersonJob)


def complete_signals(
    manifests: Manifests,
    generator: str,
    lost: pa.Table,
    cluster: Cluster,
    *,
    retry_failed: bool = False,
    people: PersonRun | None = None,
) -> int:
    """Compute the missing signals of the clips of a generator, and return the number of these clips.

    If none are missing, nothing is written, and `hfv score` may be at work.

    Args:
        lost: from `generators.lost_clips`.
        retry_failed: try clips again that failed.
        people: the person detector that scores the clips; None if there is none.

    Raises:
        UsageError: another command computes them, such as `hfv score`, or no worker is available.
    """
    clips = clips_of(manifests, generator, ["path", "num_frames"], lost)
    known = manifests.read_settled(SIGNALS, NAMES, generator=generator)
    if not _lacking(known, clips, retry_failed=retry_failed) and not (
        people and _unseen(known, people, retry_failed=retry_failed)
    ):
        return 0
    with manifests.lock(score_lock(generator)):  # scoring writes signals too
        manifests.recover(SIGNALS, generator=generator)
        rows = manifests.read(SIGNALS, NAMES, generator=generator)
        todo = _lacking(rows, clips, retry_failed=retry_failed)
        if todo:
            run = partial(signal_shard, manifests=manifests, generator=generator, people=people)

            def failed(job: ClipJob, error: ClipError) -> Row:
                return signal_row(job.clip_id, generator, None, error)

            _compute(manifests, generator, todo, run, failed, cluster, "signals")
        unseen_yet = _not_looked_at(manifests, generator, clips, people, retry_failed=retry_failed) if people else []
        if people and unseen_yet:
            run = partial(people_shard, manifests=manifests, generator=generator, people=people)

            def blind(job: PersonJob, error: ClipError) -> Row:
                return looked_at(job.row, unseen(people))

            _compute(manifests, generator, unseen_yet, run, blind, cluster, "people")
        compact_signals(manifests, generator, len(clips))
    return len(todo) + len(unseen_yet)


def _lacking(rows: pa.Table, clips: pa.Table, *, retry_failed: bool) -> list[ClipJob]:
    """Return the readable clips that have no row of signals by this version."""
    rows = rows.filter(pc.equal(rows["version"], VERSION))
    if retry_failed:
        rows = rows.filter(pc.equal(rows["status"], Status.OK.value))
    known = rows["clip_id"].combine_chunks()
    readable = pc.equal(clips["status"], Status.OK.value)
    lacking = clips.filter(pc.and_(readable, pc.invert(pc.is_in(clips["clip_id"], value_set=known)))).sort_by("clip_id")
    return [_job(row) for row in lacking.select(["clip_id", "path", "num_frames"]).to_pylist()]


def _not_looked_at(
    manifests: Manifests, generator: str, clips: pa.Table, people: PersonRun, *, retry_failed: bool
) -> list[PersonJob]:
    """Return the clips with signals that the detector has to score; rows that an interrupted run added count."""
    compact_signals(manifests, generator, len(clips))
    rows = manifests.read(SIGNALS, NAMES, generator=generator)
    wanted = _unseen(rows, people, retry_failed=retry_failed)
    if not wanted:
        return []
    jobs = {row["clip_id"]: _job(row) for row in clips.select(["clip_id", "path", "num_frames"]).to_pylist()}
    whole = manifests.read(SIGNALS, [*SIGNALS.schema.names], generator=generator)
    whole = whole.filter(pc.is_in(whole["clip_id"], value_set=pa.array(sorted(wanted & {*jobs})))).sort_by("clip_id")
    return [PersonJob(job=jobs[row["clip_id"]], row=row) for row in whole.to_pylist()]


def _unseen(rows: pa.Table, people: PersonRun, *, retry_failed: bool) -> set[str]:
    """Return the clips with signals that the detector has to score."""
    rows = rows.filter(pc.and_(pc.equal(rows["status"], Status.OK.value), pc.equal(rows["version"], VERSION)))
    return {
        row["clip_id"]
        for row in rows.to_pylist()
        if people.lacks(row["person_detector"]) or (retry_failed and row["person"] is None)
    }


def _compute(
    manifests: Manifests,
    generator: str,
    todo: list[Job],
    run: Callable[..., int],
    failed: Callable[[Job, ClipError], Row],
    cluster: Cluster,
    what: str,
) -> None:
    """Run the work on workers; a clip that kills its worker gets the row of a failure."""
    work = partial(run, deadline_s=None if cluster.in_this_process else DEADLINE_S)
    lock = manifests.root, score_lock(generator)
    shards = (todo[start : start + SHARD] for start in range(0, len(todo), SHARD))
    with (
        cluster.connect(imports=IMPORTS) as client,
        tqdm(total=len(todo), desc=f"{what} {generator}", unit="clip", disable=None) as bar,
    ):
        for done in run_shards(client, work, shards, lock=lock, wait_s=cluster.wait_s):
            if done.error:
                add_signals(manifests, generator, [failed(job, ClipError(done.error)) for job in done.items])
            bar.update(len(done.items))


def _job(row: Row) -> ClipJob:
    return ClipJob(clip_id=row["clip_id"], path=row["path"], metrics=(), num_frames=row["num_frames"])
