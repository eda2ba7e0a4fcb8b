"""Choose the generator that owns a content, if several generators have a copy of it.

Camera footage has precedence over generated clips. Otherwise the owner is the generator whose row has status `ok`, and
of several such generators the first by name. The rule depends only on rows, so that all commands agree, even if they
run at the same time.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.records import Status
from hfv_builder.storage.schema import BOOL, STRING

HOLDER = ("clip_id", "generator", "is_real", "path", "width", "status")
"""Columns of `clips` that decide which generator owns a content."""
LOST = pa.schema(
    {name: STRING for name in ("clip_id", "generator", "path", "owner", "owner_path")} | {"is_footage": BOOL}
)


def repeated(ids: pa.Array) -> pa.Array:
    """Return the values that occur more than once, without nulls."""
    counts = pc.value_counts(ids.drop_null())
    return counts.filter(pc.greater(counts.field("counts"), 1)).field("values")


def lost_rows(holders: pa.Table) -> pa.Table:
    """Return the rows whose content counts in another generator.

    Args:
        holders: rows of `clips`, with the columns `HOLDER`. A row with status `ok` represents its content; one with
            status `duplicate` and a width is a readable copy; other rows cannot own a content.

    Returns:
        Columns `LOST`, sorted by clip_id, generator and path: clip_id, generator and path of the row, generator and
        path of the owner, and whether the row is a generated clip with the content of camera footage.
    """
    holders = holders.filter(pc.is_in(holders["clip_id"], value_set=repeated(_whole(holders["clip_id"]))))
    if not len(holders):
        return LOST.empty_table()
    stands = pc.equal(holders["status"], Status.OK.value)
    is_copy = pc.and_(pc.equal(holders["status"], Status.DUPLICATE.value), pc.is_valid(holders["width"]))
    real = holders.filter(pc.fill_null(holders["is_real"], False))["generator"].unique()
    rows = pa.table(
        {
            "clip_id": holders["clip_id"],
            "generator": holders["generator"],
            "path": holders["path"],
            "is_real": pc.is_in(holders["generator"], value_set=real),
            "stands": stands,
            "readable": pc.or_(stands, is_copy),
        }
    )
    best_first = [(name, "descending") for name in ("readable", "is_real", "stands")]
    rows = rows.sort_by([("clip_id", "ascending"), *best_first, ("generator", "ascending"), ("path", "ascending")])
    owner = rows.take(_first_of_group(_whole(rows["clip_id"])))
    is_lost = pc.and_(owner["readable"], pc.not_equal(owner["generator"], rows["generator"]))
    columns = {
        "clip_id": rows["clip_id"],
        "generator": rows["generator"],
        "path": rows["path"],
        "owner": owner["generator"],
        "owner_path": owner["path"],
        "is_footage": pc.and_(owner["is_real"], pc.invert(rows["is_real"])),
    }
    lost = pa.table(columns, schema=LOST).filter(is_lost)
    return lost.sort_by([("clip_id", "ascending"), ("generator", "ascending"), ("path", "ascending")])


def counted_rows(rows: pa.Table, lost: pa.Table) -> pa.Table:
    """Return the rows that count: one per content and generator, without contents that count in another generator.

    A copy counts if its generator owns the content and has no row that represents it, for example after the former
    owner was deleted; its status is then `ok` and its error null.

    Args:
        rows: rows of `clips` with columns clip_id, generator, status, width, and any others.
        lost: from `lost_rows`; may contain other generators.
    """
    rows = rows.filter(pc.and_(pc.is_valid(rows["clip_id"]), pc.invert(pc.is_in(_key(rows), value_set=_key(lost)))))
    is_copy = pc.equal(rows["status"], Status.DUPLICATE.value)
    standing = rows.filter(pc.invert(is_copy))
    copies = rows.filter(pc.and_(is_copy, pc.is_valid(rows["width"])))
    copies = copies.filter(pc.invert(pc.is_in(_key(copies), value_set=_key(standing))))
    if not len(copies):
        return standing
    order = [("generator", "ascending"), ("clip_id", "ascending")]
    order += [("path", "ascending")] if "path" in copies.column_names else []
    copies = copies.sort_by(order)
    keys = _key(copies)
    is_first = _first_of_group(keys) == np.arange(len(keys))
    copies = copies.filter(pa.array(is_first))
    for name, value in (("status", Status.OK.value), ("error", None)):
        if name in copies.column_names:
            same = pa.repeat(pa.scalar(value, STRING), len(copies))
            copies = copies.set_column(copies.column_names.index(name), name, same)
    return pa.concat_tables([standing, copies])


def _first_of_group(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return, for all elements of grouped values, the position of the first element of the group."""
    positions = np.arange(len(values))
    positions[1:][pc.equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)] = 0
    return np.maximum.accumulate(positions)


def _key(rows: pa.Table) -> pa.Array:
    return _whole(pc.binary_join_element_wise(rows["generator"], rows["clip_id"], "\n"))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
