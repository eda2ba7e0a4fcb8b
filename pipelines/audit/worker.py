"""Signals of the clips of a shard, in a worker."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from hfv_builder.frames.signals import SignalWatch
from hfv_builder.frames.video import decode, frames
from hfv_builder.people.base import People, chosen_frames
from hfv_builder.people.watch import PersonWatch, look, shrunk
from hfv_builder.records import Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import blame_disks, place
from pipelines.person_run import PersonRun, detector_of
from pipelines.score.run import ClipJob
from pipelines.score.signal_rows import Row, add_signals, signal_row
from pipelines.score.worker import catalogued_file
from pipelines.workers.deadline import deadline


@dataclass(frozen=True, kw_only=True)
class PersonJob:
    """A clip that has signals but no score by the person detector."""

    job: ClipJob
    row: Row
    """Its row of `signals`."""


def signal_shard(
    jobs: Sequence[ClipJob],
    *,
    manifests: Manifests,
    generator: str,
    people: PersonRun | None = None,
    deadline_s: float | None = None,
) -> int:
    """Write the signals of some clips as one part, and return how many clips failed."""
    cv2.setNumThreads(1)  # workers are the parallelism
    rows = []
    with deadline(deadline_s) as begin:
        for job in jobs:
            begin()
            rows.append(_row(job, generator, people))
    add_signals(manifests, generator, rows)
    return sum(row["status"] != Status.OK for row in rows)


def people_shard(
    jobs: Sequence[PersonJob],
    *,
    manifests: Manifests,
    generator: str,
    people: PersonRun,
    deadline_s: float | None = None,
) -> int:
    """Write the signals of some clips again, with person scores, and return the number of clips without a score."""
    cv2.setNumThreads(1)
    rows = []
    with deadline(deadline_s) as begin:
        for each in jobs:
            begin()
            rows.append(looked_at(each.row, _look(each, people)))
    add_signals(manifests, generator, rows)
    return sum(row["person"] is None for row in rows)


def looked_at(row: Row, found: People) -> Row:
    """Return the row with the detector's result; a clip that cannot be decoded keeps the result of another detector."""
    return row if found.person is None and row["person"] is not None else row | vars(found)


def unseen(run: PersonRun) -> People:
    """Return the detector's result for a clip that cannot be decoded."""
    return People(person=None, person_share=None, person_detector=run.revision)


def _row(job: ClipJob, generator: str, people: PersonRun | None) -> Row:
    detector = None if people is None else detector_of(people)
    try:
        with catalogued_file(job) as file:
            signals = SignalWatch(decode(file, min_decoded=0))
            persons = PersonWatch(signals, job.num_frames or 0)
            for _ in signals if detector is None else persons:
                pass
        found = None if detector is None or people is None else persons.compute(detector, people.revision)
        return signal_row(job.clip_id, generator, signals.compute(), people=found)
    except UsageError:
        raise
    except Exception as error:  # decoders raise many types
        blame_disks(place(job.path), error)
        return signal_row(job.clip_id, generator, None, error)


def _look(each: PersonJob, people: PersonRun) -> People:
    detector = detector_of(people)
    try:
        with catalogued_file(each.job) as file:
            only = chosen_frames(each.job.num_frames or 0)
            images = [shrunk(frame.rgb, frame.shape) for frame in frames(file, only=only)]
        return look(detector, images, people.revision)
    except UsageError:
        raise
    except Exception as error:
        blame_disks(place(each.job.path), error)
        return unseen(people)
