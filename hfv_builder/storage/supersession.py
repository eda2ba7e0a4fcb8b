"""Supersession: which rows of a clip stay when newer ones are there. A failure never replaces a success."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.records import Status

MADE_WITH = b"fingerprint"
"""In the metadata of a part of scores: the configuration that the latest run computed with. In that of a part of
embeddings: the configuration of the appearance scores that its rows were computed with."""


def newest_scores(parts: Sequence[pa.Table], fingerprint: str) -> list[pa.Table]:
    """The score rows to keep of one profile, metric and generator, in one table.

    A clip has one row for each fingerprint: the success, else the newest failure. A success under the present
    fingerprint replaces the rows of all others, a failure only their failures.

    Args:
        parts: tables with the columns of `scores`, the newest last.
        fingerprint: the present configuration, which becomes `MADE_WITH` in the metadata.
    """
    rows = pa.concat_tables([part.append_column("age", pa.repeat(-at, len(part))) for at, part in enumerate(parts)])
    rows = rows.sort_by(
        [("clip_id", "ascending"), ("fingerprint", "ascending"), ("status", "descending"), ("age", "ascending")]
    )
    rows = rows.filter(_changes(rows, "clip_id", "fingerprint")).drop_columns("age")
    present = pc.fill_null(pc.equal(rows["fingerprint"], fingerprint), False)
    succeeded = pc.fill_null(pc.equal(rows["status"], Status.OK.value), False)
    tried = pc.is_in(rows["clip_id"], value_set=rows.filter(present)["clip_id"].combine_chunks())
    done = rows.filter(pc.and_(present, succeeded))["clip_id"].combine_chunks()
    replaced = pc.or_(pc.is_in(rows["clip_id"], value_set=done), pc.and_(tried, pc.invert(succeeded)))
    return [rows.filter(pc.or_(present, pc.invert(replaced))).replace_schema_metadata({MADE_WITH: fingerprint})]


def newest_embeddings(parts: Sequence[pa.Table]) -> list[pa.Table]:
    """The embeddings to keep of one model and generator: of each clip the newest, a table for each fingerprint.

    Only clips whose appearance could be scored have embeddings, so that the newest is the newest success.

    Args:
        parts: tables with the columns of `embeddings` and `MADE_WITH` in their metadata, the newest last.
    """
    kept: dict[bytes, list[pa.Table]] = {}
    known = pa.array([], pa.string())
    for part in reversed(parts):
        new = part.filter(pc.invert(pc.is_in(part["clip_id"], value_set=known))).sort_by("clip_id")
        new = new.filter(_changes(new, "clip_id"))
        known = pa.concat_arrays([known, new["clip_id"].combine_chunks()])
        if len(new):
            kept.setdefault((part.schema.metadata or {}).get(MADE_WITH, b""), []).append(new)
    return [
        pa.concat_tables([rows.replace_schema_metadata({MADE_WITH: made_with}) for rows in kept[made_with]])
        for made_with in sorted(kept)
    ]


def _changes(rows: pa.Table, *columns: str) -> pa.Array:
    """Whether a row of a sorted table differs from the one before in one of these columns."""
    differs = np.zeros(len(rows), bool)
    differs[:1] = True
    for name in columns:
        values = rows[name].combine_chunks().fill_null("")
        differs[1:] |= pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return pa.array(differs)
