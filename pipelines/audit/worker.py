"""Signals of the clips of a shard, in a worker."""

from collections.abc import Sequence

import cv2

from hfv_builder.frames.signals import SignalWatch
from hfv_builder.frames.video import decode
from hfv_builder.records import Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import blame_disks, place
from pipelines.score.run import ClipJob
from pipelines.score.signal_rows import Row, add_signals, signal_row
from pipelines.score.worker import catalogued_file
from pipelines.workers.deadline import deadline


def signal_shard(
    jobs: Sequence[ClipJob], *, manifests: Manifests, generator: str, deadline_s: float | None = None
) -> int:
    """Write the signals of some clips as one part, and return how many clips failed."""
    cv2.setNumThreads(1)  # workers are the parallelism
    rows = []
    with deadline(deadline_s) as begin:
        for job in jobs:
            begin()
            rows.append(_row(job, generator))
    add_signals(manifests, generator, rows)
    return sum(row["status"] != Status.OK for row in rows)


def _row(job: ClipJob, generator: str) -> Row:
    try:
        with catalogued_file(job) as file:
            watch = SignalWatch(decode(file, min_decoded=0))
            for _ in watch:
                pass
        return signal_row(job.clip_id, generator, watch.compute())
    except UsageError:
        raise
    except Exception as error:  # decoders raise many types
        blame_disks(place(job.path), error)
        return signal_row(job.clip_id, generator, None, error)
