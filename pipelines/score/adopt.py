"""Scores that another profile has under the same fingerprint are this profile's too: nobody computes them twice."""

import contextlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.labelling.scored import scored_profiles
from hfv_builder.records import Metric, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, put, read, writable
from hfv_builder.storage.schema import SCORES
from hfv_builder.storage.supersession import MADE_WITH

COLUMNS = ["clip_id", "fingerprint", "status"]


def adopt_scores(manifests: Manifests, fingerprint: str, *, profile: str, metric: Metric, generator: str) -> int:
    """Copy the successes of other profiles under this fingerprint, of clips that have none here, and their images.

    The fingerprint is a hash of everything that decides a score, so that these are the scores that this profile would
    give. The rows of the others stay as they are.

    Returns:
        How many scores were copied.
    """
    mine = {"profile": profile, "metric": metric.value, "generator": generator}
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
    """Copy a small file; on one disk by another name for it, for there may be millions."""
    writable(copy.parent)
    if isinstance(image, Path):
        with contextlib.suppress(OSError):
            os.link(image, str(copy))
    if not copy.exists():
        put(copy, read(image))


def _new(rows: pa.Table, fingerprint: str, have: pa.StringArray) -> pa.Table:
    """Successes under this fingerprint, of clips that do not have one."""
    rows = _successes(rows, fingerprint)
    return rows.filter(pc.invert(pc.is_in(rows["clip_id"], value_set=have)))


def _successes(rows: pa.Table, fingerprint: str) -> pa.Table:
    return rows.filter((pc.field("fingerprint") == fingerprint) & (pc.field("status") == Status.OK.value))
