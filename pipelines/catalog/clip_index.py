"""The index of a catalogue: the few columns that decide which rows stay, and where their full rows are stored."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.records import Status
from hfv_builder.storage.file_status import FileStatus, status
from hfv_builder.storage.folders import MADE, canonical
from hfv_builder.storage.manifest import NEW, Manifests
from hfv_builder.storage.path_text import path_of, path_text
from hfv_builder.storage.places import blame_disks, place
from hfv_builder.storage.schema import BOOL, CLIPS, INT64, STRING
from pipelines.catalog.folder import Listing, kind_of

STAMP = b"catalogued_at_ns"
"""Key in the metadata of a part: a row is valid if its file was last changed before this time."""
PART_ROWS = 100_000
"""Largest number of rows of a part, and of full rows in memory at a time."""
ROWS_READ = 20_000
"""Number of rows that are Python objects at a time."""
READ = ["path", "clip_id", "bytes", "width", "status"]
BEST = [Status.OK, Status.FAILED, Status.DUPLICATE]
"""Statuses by preference as the original among rows with the same content."""
INDEX = pa.schema(
    {name: CLIPS.schema.field(name).type for name in READ}
    # Whether the file could not be checked; the stamp and the name of the row's part, and the position in it.
    | {"unchecked": BOOL, "stamp": INT64, "part": STRING, "position": INT64}
)
"""Columns that decide whether a row stays, and where the full row is. Few columns, to save memory with many clips."""


def index_of(manifests: Manifests, generator: str, stamp: int | None = None) -> Iterator[pa.Table]:
    """Yield the rows of all parts, or of those with this stamp, in large tables: many small ones need more memory."""
    tables = [INDEX.empty_table()]
    for part in manifests.parts(CLIPS, generator=generator):
        rows = manifests.read_part(CLIPS, part, READ)
        stamped = int((rows.schema.metadata or {}).get(STAMP, 0))
        if stamp in (None, stamped):
            constants = [pa.repeat(value, len(rows)) for value in (False, stamped, part.name)]
            tables.append(pa.table([*rows.columns, *constants, np.arange(len(rows))], schema=INDEX))
        if sum(map(len, tables)) >= ROWS_READ:
            yield pa.concat_tables(tables).combine_chunks()
            tables = [INDEX.empty_table()]
    yield pa.concat_tables(tables).combine_chunks()


def unchanged(
    manifests: Manifests, generator: str, listing: Listing, *, retry_failed: bool = False
) -> tuple[pa.Table, list[str], pa.Array, int, str | None]:
    """Return the rows that are still valid or could not be checked, and the files to read.

    Files with a row are removed from `listing.files`, to save memory with many clips.

    Args:
        manifests: the manifests.
        generator: the generator.
        listing: the files of the folder.
        retry_failed: rows of failed files are not valid. Rows without a content id, whose file could not be read, never
            are.

    Returns:
        The index of the rows; the paths of the files to read, sorted; the clip ids that the generator owned before; the
        number of rows that were dropped; the reason why rows could not be checked, or None.
    """
    real_folder = str(path_of(listing.folder))
    others = listing.others["file"].combine_chunks()
    made = [f"{path_text(str(canonical(manifests.root) / name))}/" for name in MADE]
    kept, owned, total, why = [INDEX.empty_table()], [pa.array([], STRING)], 0, None
    now = int(time.time() * 1e9)
    files, folders = listing.files, dict[str, str]()
    for rows in index_of(manifests, generator):
        total += len(rows)
        is_owner = pc.and_(
            pc.not_equal(rows["status"], Status.DUPLICATE.value), pc.invert(pc.starts_with(rows["part"], NEW))
        )
        owned += rows.filter(is_owner)["clip_id"].drop_null().chunks
        holds, unchecked = np.zeros((2, len(rows)), bool)
        valid = rows["clip_id"].is_valid()
        if retry_failed:
            valid = pc.and_(valid, pc.not_equal(rows["status"], Status.FAILED.value))
        passed_over = pc.is_in(rows["path"], value_set=others)
        for folder in made:
            passed_over = pc.or_(passed_over, pc.starts_with(rows["path"], folder))
        rows = rows.append_column("valid", valid).append_column("passed_over", passed_over)
        columns = tuples(rows, "path", "bytes", "width", "stamp", "valid", "passed_over")
        for row, (path, size, width, stamp, is_valid, is_passed_over) in enumerate(columns):
            if is_passed_over:
                continue
            try:
                # A file that is not listed may have been catalogued under a path that contains a link.
                known = files.pop(path, None)
                real = path if known else _canonical(path, folders)
                file = known or files.pop(real, None) or _status(real, real_folder)
                kind = kind_of(real) if width is None and file is not None else ""  # it may not be a clip
            except Exception as error:  # object stores raise many types
                unchecked[row], why = True, why or str(error)
                continue
            # A stamp in the future is by a clock that was set back since, so it precedes no change.
            is_same = file is not None and file.bytes == size and file.changed_ns < stamp <= now
            holds[row] = is_valid and is_same and not kind and real == path
            if file is not None and not holds[row] and (known or not kind):
                files[real] = file
        rows = rows.drop_columns(["valid", "passed_over", "unchecked"]).append_column("unchecked", pa.array(unchecked))
        kept.append(rows.select(INDEX.names).filter(pa.array(holds | unchecked)))
    index = pa.concat_tables(kept)
    del kept
    former = pa.concat_arrays(owned)
    del owned
    again = _orphaned_copies(index, former)
    new = sorted({*files, *index["path"].filter(again).to_pylist()})
    index = index.filter(pc.invert(again))
    return index, new, former, total - len(index), why


def _orphaned_copies(index: pa.Table, former: pa.Array) -> pa.Array:
    """Return for each row whether it is a copy whose original is gone.

    It is read again and becomes an original, unless another generator has the original.
    """
    is_copy = pc.equal(index["status"], Status.DUPLICATE.value)
    originals = index.filter(pc.invert(pc.or_(is_copy, index["unchecked"])))["clip_id"].combine_chunks()
    orphan = pc.invert(pc.or_(pc.is_in(index["clip_id"], value_set=originals), index["unchecked"]))
    unknown = pc.or_(pc.is_in(index["clip_id"], value_set=former), pc.is_null(index["width"]))
    return pc.and_(is_copy, pc.and_(orphan, unknown))


def _canonical(path: str, folders: dict[str, str]) -> str:
    """Return the path of a file without links among its folders.

    Args:
        path: the path, or a URL, which is returned unchanged.
        folders: a cache of real paths by folder, which is extended.
    """
    file = place(path)
    if not isinstance(file, Path):
        return path
    folder, name = os.path.split(file)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return path_text(os.path.join(folders[folder], name))


def _status(path: str, real_folder: str) -> FileStatus | None:
    """Return the attributes of a file that is not listed in the folder; None if it is gone.

    Raises:
        Exception: the file cannot be checked since its folder is not accessible.
    """
    file = place(path)
    try:
        return status(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        # The catalogued folder is accessible, so a missing file below it was deleted. A link may lead elsewhere.
        if isinstance(file, Path) and not (real := Path(os.path.realpath(file))).is_relative_to(real_folder):
            blame_disks(real, error)
        return None


def without_moved(rows: pa.Table) -> pa.Table:
    """Return the rows without those of moved folders: folders that are gone and whose clips all have another path."""
    unchecked = rows.filter(rows["unchecked"])
    if not len(unchecked):
        return rows
    checked = rows.filter(pc.invert(rows["unchecked"]))["clip_id"].combine_chunks()
    paths = unchecked["path"].to_pylist()
    moved: dict[str, bool] = {}
    for path, elsewhere in zip(paths, pc.is_in(unchecked["clip_id"], checked).to_pylist(), strict=True):
        folder = os.path.dirname(path)
        moved[folder] = moved.get(folder, True) and elsewhere
    gone = [folder for folder, all_elsewhere in moved.items() if all_elsewhere and _is_missing(folder)]
    folders = pa.array(map(os.path.dirname, paths), STRING)
    away = unchecked.filter(pc.is_in(folders, value_set=pa.array(gone, STRING)))["path"].combine_chunks()
    return rows.filter(pc.invert(pc.and_(rows["unchecked"], pc.is_in(rows["path"], value_set=away))))


def _is_missing(folder: str) -> bool:
    """Return whether a local folder does not exist; False if it cannot be checked."""
    local = place(folder)
    try:
        if isinstance(local, Path):
            local.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def one_a_path(rows: pa.Table) -> pa.Table:
    """Return the newest row of every path, sorted by path, with a column `original`.

    `original` is the path of the row that owns the same content, null for the owner itself: the first path that could
    be read, preferably one whose file was checked. A path has several rows if a worker died after writing its part.
    """
    newest = [("path", "ascending"), ("stamp", "descending"), ("status", "descending")]
    order = pc.sort_indices(rows, newest).to_numpy()
    paths = rows["path"].take(order).combine_chunks()
    again = np.zeros(len(rows), bool)
    again[1:] = pc.equal(paths[1:], paths[:-1])
    rows = rows.take(order[~again])
    contents = pc.coalesce(rows["clip_id"], rows["path"]).combine_chunks().dictionary_encode().indices
    status = pc.index_in(rows["status"], value_set=pa.array(BEST)).to_numpy()
    unread = (status == BEST.index(Status.FAILED)) | rows["width"].is_null().to_numpy() & (
        status == BEST.index(Status.DUPLICATE)
    )
    best = np.lexsort((status, rows["unchecked"].to_numpy(), unread))  # stable: ties keep the order of paths
    _, first, which = np.unique(contents.to_numpy()[best], return_index=True, return_inverse=True)
    original = np.empty(len(rows), np.int64)
    original[best] = best[first[which]]
    owners = pa.array(original, mask=original == np.arange(len(rows)))
    return rows.append_column("original", rows["path"].take(owners))


def pieces(
    manifests: Manifests, generator: str, rows: pa.Table, stamp: int, finish: Callable[..., pa.Table]
) -> Iterator[pa.Table]:
    """Yield the full, finished rows in the order of paths, one table per part, with the part's stamp in its metadata.

    Args:
        manifests: the manifests.
        generator: the generator.
        rows: the index, with the column `original`.
        stamp: the stamp of this run.
        finish: returns the finished rows, given full rows sorted by path and their `original`.
    """
    folder = manifests.folder(CLIPS, generator=generator)
    for start in range(0, len(rows), PART_ROWS):
        for unchecked in (False, True):
            piece = rows.slice(start, PART_ROWS).filter(pc.field("unchecked") == unchecked)
            # Checked rows are valid as of this run; files of unchecked rows may have changed since the oldest stamp.
            low, high = pc.min_max(piece["stamp"]).as_py().values()
            metadata = {STAMP: str(low if unchecked or low == high else stamp)}
            parts = piece.group_by("part").aggregate([("position", "list")]).to_pylist()
            full = [manifests.read_part(CLIPS, folder / part["part"]).take(part["position_list"]) for part in parts]
            if full:
                table = pa.concat_tables(part.replace_schema_metadata(metadata) for part in full)
                yield finish(table.sort_by("path"), piece["original"])


def tuples(rows: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    """Yield the values of these columns row by row; at most `ROWS_READ` rows are Python objects at a time."""
    for batch in rows.select(names).to_batches(max_chunksize=ROWS_READ):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
