"""Supersession: which rows of a clip are kept when it has been scored again. A failure never replaces a success."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.records import Status

MADE_WITH = b"fingerprint"
"""Key in the metadata of a part. In `scores` it holds the fingerprint of the latest run; in `embeddings` it holds the
fingerprint of the appearance scores that were computed with the rows."""


def newest_scores(parts: Sequence[pa.Table], fingerprint: str) -> list[pa.Table]:
    """Return the score rows to keep for one profile, metric and generator, in a list of one table.

    A clip keeps one row per fingerprint: its newest success, else its newest failure. A success with the current
    fingerprint replaces the rows with other fingerprints; a failure replaces only their failures.

    Args:
        parts: tables with the columns of `scores`, newest last.
        fingerprint: the current fingerprint, stored as `MADE_WITH` in the metadata.
    """
    rows = pa.concat_tables([part.append_column("age", pa.repeat(-i, len(part))) for i, part in enumerate(parts)])
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
    """Return the newest embeddings of every clip of one model and generator, in one table per fingerprint.

    Only clips with an appearance score have embeddings, so the newest embeddings belong to a success.

    Args:
        parts: tables with the columns of `embeddings` and `MADE_WITH` in their metadata, newest last.
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


def newest_signals(parts: Sequence[pa.Table]) -> list[pa.Table]:
    """Return the newest success of every clip of one generator, else its newest failure, in a list of one table.

    Of successes of one version, those that a person detector looked at come first: scoring again loses no score.

    Args:
        parts: tables with the columns of `signals`, newest last.
    """
    rows = pa.concat_tables([part.append_column("age", pa.repeat(-i, len(part))) for i, part in enumerate(parts)])
    rows = rows.append_column("number", pc.cast(rows["version"], pa.int64()))
    rows = rows.append_column("looked", pc.cast(pc.is_valid(rows["person_detector"]), pa.int8()))
    falling = [(name, "descending") for name in ("status", "number", "looked")]
    rows = rows.sort_by([("clip_id", "ascending"), *falling, ("age", "ascending")])
    return [rows.filter(_changes(rows, "clip_id")).drop_columns(["age", "number", "looked"])]


def _changes(rows: pa.Table, *columns: str) -> pa.Array:
    """Return, for each row of a sorted table, whether it differs from the previous row in one of these columns."""
    differs = np.zeros(len(rows), bool)
    differs[:1] = True
    for name in columns:
        values = rows[name].combine_chunks().fill_null("")
        differs[1:] |= pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return pa.array(differs)
