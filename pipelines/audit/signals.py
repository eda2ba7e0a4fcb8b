"""The signals that clips lack: computed on workers, resumably. Clips that were scored have them already."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.frames.hashing import VERSION
from hfv_builder.records import ClipError, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SIGNALS
from pipelines.audit.worker import signal_shard
from pipelines.generators import clips_of
from pipelines.score.compaction import compact_signals
from pipelines.score.run import ClipJob
from pipelines.score.signal_rows import add_signals, signal_row
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards

SHARD = 16
"""Clips per task."""
DEADLINE_S = 900.0
"""Seconds that one clip may take."""
IMPORTS = ("pipelines.audit.worker", "av", "cv2")
"""Modules that every worker imports before the first task."""


def complete_signals(
    manifests: Manifests, generator: str, lost: pa.Table, cluster: Cluster, *, retry_failed: bool = False
) -> int:
    """Compute the signals that clips of a generator lack, and return of how many clips.

    Args:
        lost: from `generators.lost_clips`.
        retry_failed: try clips again that failed.

    Raises:
        UsageError: another command computes them, such as `hfv score`, or no worker is available.
    """
    with manifests.lock(f"score-{generator}"):  # scoring writes signals too
        manifests.recover(SIGNALS, generator=generator)
        clips = clips_of(manifests, generator, ["path", "num_frames"], lost)
        todo = _lacking(manifests, generator, clips, retry_failed=retry_failed)
        if len(todo):
            _compute(manifests, generator, todo, cluster)
        compact_signals(manifests, generator, len(clips))
    return len(todo)


def _lacking(manifests: Manifests, generator: str, clips: pa.Table, *, retry_failed: bool) -> pa.Table:
    rows = manifests.read(SIGNALS, ["clip_id", "version", "status"], generator=generator)
    rows = rows.filter(pc.equal(rows["version"], VERSION))
    if retry_failed:
        rows = rows.filter(pc.equal(rows["status"], Status.OK.value))
    known = rows["clip_id"].combine_chunks()
    readable = pc.equal(clips["status"], Status.OK.value)
    return clips.filter(pc.and_(readable, pc.invert(pc.is_in(clips["clip_id"], value_set=known)))).sort_by("clip_id")


def _compute(manifests: Manifests, generator: str, todo: pa.Table, cluster: Cluster) -> None:
    seconds = None if cluster.in_this_process else DEADLINE_S
    work = partial(signal_shard, manifests=manifests, generator=generator, deadline_s=seconds)
    with (
        cluster.connect(imports=IMPORTS) as client,
        tqdm(total=len(todo), desc=f"signals {generator}", unit="clip", disable=None) as bar,
    ):
        for done in run_shards(client, work, _shards(todo), wait_s=cluster.wait_s):
            if done.error:
                rows = [signal_row(job.clip_id, generator, None, ClipError(done.error)) for job in done.items]
                add_signals(manifests, generator, rows)
            bar.update(len(done.items))


def _shards(todo: pa.Table) -> Iterator[list[ClipJob]]:
    for batch in todo.select(["clip_id", "path"]).to_batches(max_chunksize=SHARD):
        yield [ClipJob(clip_id=row["clip_id"], path=row["path"], metrics=()) for row in batch.to_pylist()]
