"""The index of a catalogue: thin rows that decide which clips stay, and where the whole of each row stands."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.records import Status
from hfv_builder.storage.folders import MADE, canonical
from hfv_builder.storage.manifest import NEW, Manifests
from hfv_builder.storage.path_text import path_of, path_text
from hfv_builder.storage.places import FileStatus, blame_disks, place, status
from hfv_builder.storage.schema import BOOL, CLIPS, INT64, STRING
from pipelines.catalog.folder import Listing, kind_of

STAMP = b"catalogued_at_ns"
"""In the metadata of each part: the time before which a file must have changed last for its row to hold."""
PART_ROWS = 100_000
"""Rows that one part holds at most, and that are in memory whole at one time."""
ROWS_READ = 20_000
"""Rows of a table that are Python objects at one time."""
READ = ["path", "clip_id", "bytes", "width", "status"]
BEST = [Status.OK, Status.FAILED, Status.DUPLICATE]
"""Which of several rows of one content is to stand for it."""
INDEX = pa.schema(
    {name: CLIPS.schema.field(name).type for name in READ}
    # Whether nobody can tell what has become of the file; and the part that the row stands in, its stamp and the place.
    | {"unseen": BOOL, "stamp": INT64, "part": STRING, "at": INT64}
)
"""What decides whether a row stays, and where the whole of it is: of a million clips every column counts."""


def index_of(manifests: Manifests, generator: str, stamp: int | None = None) -> Iterator[pa.Table]:
    """The rows of all parts, or of those with this stamp, in tables of some size: many small ones need much more."""
    found = [INDEX.empty_table()]
    for part in manifests.parts(CLIPS, generator=generator):
        rows = manifests.read_part(CLIPS, part, READ)
        stamped = int((rows.schema.metadata or {}).get(STAMP, 0))
        if stamp in (None, stamped):
            same = [pa.repeat(value, len(rows)) for value in (False, stamped, part.name)]
            found.append(pa.table([*rows.columns, *same, np.arange(len(rows))], schema=INDEX))
        if sum(map(len, found)) >= ROWS_READ:
            yield pa.concat_tables(found).combine_chunks()
            found = [INDEX.empty_table()]
    yield pa.concat_tables(found).combine_chunks()


def unchanged(
    manifests: Manifests, generator: str, listing: Listing, *, retry_failed: bool = False
) -> tuple[pa.Table, list[str], pa.Array, int, str | None]:
    """The rows that hold or that nobody can check, and the files to read.

    Also the contents that the generator stood for so far, how many rows are left out, and why some are unchecked.

    What is known is taken out of the files of `listing`: of a million clips there is no room for both.

    Args:
        retry_failed: no row holds that failed; those without a content, of files that could not be read, never do.
    """
    real_folder = str(path_of(listing.folder))
    others = listing.others["file"].combine_chunks()
    made = [f"{path_text(str(canonical(manifests.root) / name))}/" for name in MADE]
    kept, stood, total, why = [INDEX.empty_table()], [pa.array([], STRING)], 0, None
    files, folders = listing.files, dict[str, str]()
    for rows in index_of(manifests, generator):
        total += len(rows)
        stands = pc.and_(
            pc.not_equal(rows["status"], Status.DUPLICATE.value), pc.invert(pc.starts_with(rows["part"], NEW))
        )
        stood += rows.filter(stands)["clip_id"].drop_null().chunks
        holds, unseen = np.zeros((2, len(rows)), bool)
        valid = rows["clip_id"].is_valid()
        if retry_failed:
            valid = pc.and_(valid, pc.not_equal(rows["status"], Status.FAILED.value))
        passed_over = pc.is_in(rows["path"], value_set=others)
        for folder in made:
            passed_over = pc.or_(passed_over, pc.starts_with(rows["path"], folder))
        rows = rows.append_column("sound", valid).append_column("passed_over", passed_over)
        columns = tuples(rows, "path", "bytes", "width", "stamp", "sound", "passed_over")
        for at, (path, size, width, stamp, is_sound, is_passed_over) in enumerate(columns):
            if is_passed_over:
                continue
            try:
                # A file that this run has not come upon may have been catalogued by another path than its own.
                known = files.pop(path, None)
                real = path if known else _canonical(path, folders)
                file = known or files.pop(real, None) or _look(real, real_folder)
                kind = kind_of(real) if width is None and file is not None else ""  # it may be no clip at all
            except Exception as error:  # every store has errors of its own
                unseen[at], why = True, why or str(error)
                continue
            is_same = file is not None and file.bytes == size and file.changed_ns < stamp
            holds[at] = is_sound and is_same and not kind and real == path
            if file is not None and not holds[at] and (known or not kind):
                files[real] = file
        rows = rows.drop_columns(["sound", "passed_over", "unseen"]).append_column("unseen", pa.array(unseen))
        kept.append(rows.select(INDEX.names).filter(pa.array(holds | unseen)))
    found = pa.concat_tables(kept)
    del kept
    former = pa.concat_arrays(stood)
    del stood
    # The copy of a clip that is gone must be read again, to stand for itself. One of another generator's need not.
    is_copy = pc.equal(found["status"], Status.DUPLICATE.value)
    there = found.filter(pc.invert(pc.or_(is_copy, found["unseen"])))["clip_id"].combine_chunks()
    orphan = pc.invert(pc.or_(pc.is_in(found["clip_id"], value_set=there), found["unseen"]))
    unknown = pc.or_(pc.is_in(found["clip_id"], value_set=former), pc.is_null(found["width"]))
    again = pc.and_(is_copy, pc.and_(orphan, unknown))
    new = sorted({*files, *found["path"].filter(again).to_pylist()})
    found = found.filter(pc.invert(again))
    return found, new, former, total - len(found), why


def _canonical(path: str, folders: dict[str, str]) -> str:
    """The path of a file without links among its folders.

    Args:
        folders: such paths of folders, as far as they were needed; more are added.
    """
    file = place(path)
    if not isinstance(file, Path):
        return path
    folder, name = os.path.split(file)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return path_text(os.path.join(folders[folder], name))


def _look(path: str, real_folder: str) -> FileStatus | None:
    """What is known of a file that was not found in the folder; None if it is gone.

    Raises:
        Exception: nobody can tell, as its folder is out of reach.
    """
    file = place(path)
    try:
        return status(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        # What is gone below the folder itself was deleted: its user says that all is there. A link may lead elsewhere.
        if isinstance(file, Path) and not (real := Path(os.path.realpath(file))).is_relative_to(real_folder):
            blame_disks(real, error)
        return None


def without_moved(rows: pa.Table) -> pa.Table:
    """The rows without those of folders that were moved: gone, and each of their clips is somewhere else now."""
    unseen = rows.filter(rows["unseen"])
    if not len(unseen):
        return rows
    seen = rows.filter(pc.invert(rows["unseen"]))["clip_id"].combine_chunks()
    moved: dict[str, bool] = {}
    for path, elsewhere in zip(unseen["path"].to_pylist(), pc.is_in(unseen["clip_id"], seen).to_pylist(), strict=True):
        folder = os.path.dirname(path)
        moved[folder] = moved.get(folder, True) and elsewhere
    gone = [folder for folder, all_elsewhere in moved.items() if all_elsewhere and _is_missing(folder)]
    folders = pa.array(map(os.path.dirname, unseen["path"].to_pylist()), STRING)
    away = unseen.filter(pc.is_in(folders, value_set=pa.array(gone, STRING)))["path"].combine_chunks()
    return rows.filter(pc.invert(pc.and_(rows["unseen"], pc.is_in(rows["path"], value_set=away))))


def _is_missing(folder: str) -> bool:
    """Whether a folder of this machine is not there; False if that cannot be known."""
    here = place(folder)
    try:
        if isinstance(here, Path):
            here.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def one_a_path(rows: pa.Table) -> pa.Table:
    """A row for each path, the newest, sorted; one more column names the path that stands for its content, if another.

    That is the first that could be read, and rather one whose file is there. A worker that dies after its rows were
    written has them written again.
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
    best = np.lexsort((status, rows["unseen"].to_numpy(), unread))  # which is stable: else in the order of paths
    _, first, which = np.unique(contents.to_numpy()[best], return_index=True, return_inverse=True)
    original = np.empty(len(rows), np.int64)
    original[best] = best[first[which]]
    places = pa.array(original, mask=original == np.arange(len(rows)))
    return rows.append_column("original", rows["path"].take(places))


def pieces(
    manifests: Manifests, generator: str, rows: pa.Table, stamp: int, finish: Callable[..., pa.Table]
) -> Iterator[pa.Table]:
    """The rows whole and finished, in the order of paths, each table with the stamp of the part that it becomes."""
    folder = manifests.folder(CLIPS, generator=generator)
    for start in range(0, len(rows), PART_ROWS):
        for unseen in (False, True):
            piece = rows.slice(start, PART_ROWS).filter(pc.field("unseen") == unseen)
            # All that was seen was seen now; what was not may have changed since the oldest stamp.
            low, high = pc.min_max(piece["stamp"]).as_py().values()
            metadata = {STAMP: str(low if unseen or low == high else stamp)}
            parts = piece.group_by("part").aggregate([("at", "list")]).to_pylist()
            whole = [manifests.read_part(CLIPS, folder / each["part"]).take(each["at_list"]) for each in parts]
            if whole:
                table = pa.concat_tables(each.replace_schema_metadata(metadata) for each in whole)
                yield finish(table.sort_by("path"), piece["original"])


def tuples(rows: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    """The values of these columns, row by row; only some are Python objects at a time."""
    for batch in rows.select(names).to_batches(max_chunksize=ROWS_READ):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
