"""Copy the scores that another profile has under the same fingerprint instead of computing them again."""

import contextlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.labelling.scored import scored_profiles
from hfv_builder.records import Metric, Status
from hfv_builder.storage.places import Place, put, read, writable
from hfv_builder.storage.schema import SCORES
from hfv_builder.storage.supersession import MADE_WITH
from pipelines.score.run import ScoringRun

COLUMNS = ["clip_id", "fingerprint", "status"]


def adopt_scores(run: ScoringRun) -> int:
    """Copy the successes of other profiles under the fingerprints of this run, of clips that have none here.

    The fingerprint is a hash of everything that decides a score, so these are the scores that this profile would give.
    Evidence images are copied too. The rows of the other profiles stay as they are.

    Returns:
        The number of scores that were copied.
    """
    return sum(_adopt(run, metric, fingerprint) for metric, fingerprint in run.resolved.fingerprints.items())


def _adopt(run: ScoringRun, metric: Metric, fingerprint: str) -> int:
    manifests, generator, profile = run.manifests, run.generator, run.resolved.profile.name
    mine = run.partition(metric)
    own = _successes(manifests.read(SCORES, COLUMNS, **mine), fingerprint)
    have = own["clip_id"].combine_chunks()
    copied = 0
    for other in scored_profiles(manifests, [generator]):
        theirs = mine | {"profile": other}
        for part in manifests.parts(SCORES, **theirs) if other != profile else []:
            if not len(_new(manifests.read_part(SCORES, part, COLUMNS), fingerprint, have)):
                continue  # traces are long
            rows = _new(manifests.read_part(SCORES, part), fingerprint, have)
            for clip_id in rows["clip_id"].to_pylist():
                image, copy = (
                    manifests.evidence(clip_id, metric, profile=name, generator=generator) for name in (other, profile)
                )
                if image.is_file():
                    _copy(image, copy)
            rows = rows.replace_schema_metadata({MADE_WITH: fingerprint})
            manifests.add(SCORES, rows, name=f"of-{other}-{part.stem}", **mine)
            have = pa.concat_arrays([have, rows["clip_id"].combine_chunks()])
            copied += len(rows)
    return copied


def _copy(image: Place, copy: Place) -> None:
    """Copy a small file, as a hard link if both are on one disk: there may be millions."""
    writable(copy.parent)
    if isinstance(image, Path):
        with contextlib.suppress(OSError):
            os.link(image, str(copy))
    if not copy.exists():
        put(copy, read(image))


def _new(rows: pa.Table, fingerprint: str, have: pa.StringArray) -> pa.Table:
    """Return the successes under this fingerprint of clips that are not in `have`."""
    rows = _successes(rows, fingerprint)
    return rows.filter(pc.invert(pc.is_in(rows["clip_id"], value_set=have)))


def _successes(rows: pa.Table, fingerprint: str) -> pa.Table:
    return rows.filter((pc.field("fingerprint") == fingerprint) & (pc.field("status") == Status.OK.value))
