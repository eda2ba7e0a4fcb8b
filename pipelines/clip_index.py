"""The index of a catalogue: thin rows that decide which clips stay, and where the whole of each row stands."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.manifest import Manifests
from hfv_builder.places import FileStatus, Place, blame_disks, place, status
from hfv_builder.records import Status
from hfv_builder.schema import BOOL, CLIPS, INT64, STRING
from pipelines.folder import Found

STAMP = b"catalogued_at_ns"
"""In the metadata of each part: the time before which a file must have changed last for its row to hold."""
PART_ROWS = 100_000
"""Rows that one part holds at most, and that are in memory whole at one time."""
ROWS_READ = 20_000
"""Rows of a table that are Python objects at one time."""
READ = ["path", "clip_id", "bytes", "status"]
BEST = [Status.OK.value, Status.FAILED.value, Status.REJECTED.value]
"""Which of several rows of one content is to stand for it."""
INDEX = pa.schema(
    {name: CLIPS.schema.field(name).type for name in READ}
    # Whether nobody can tell what has become of the file; and the part that the row stands in, its stamp and the place.
    | {"unseen": BOOL, "stamp": INT64, "part": STRING, "at": INT64}
)
"""What decides whether a row stays, and where the whole of it is: of a million clips every column counts."""


def originals() -> pc.Expression:
    """The rows of the catalogue that stand for a content: neither exact copies nor files that could not be read."""
    return (pc.field("status") != Status.REJECTED.value) & pc.field("clip_id").is_valid()


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
    manifests: Manifests, generator: str, files: Found, folder: Place, *, retry_failed: bool = False
) -> tuple[pa.Table, list[str], int, str | None]:
    """The rows that hold or that nobody can check, the files to read, how many rows are left out, and why unchecked.

    What is known is taken out of `files`: of a million clips there is no room for both.

    Args:
        retry_failed: no row holds that failed; those without a content, of files that could not be read, never do.
    """
    kept, total, why = [INDEX.empty_table()], 0, None
    real_folder = os.path.realpath(str(folder))
    for rows in index_of(manifests, generator):
        total += len(rows)
        holds, unseen = np.zeros((2, len(rows)), bool)
        sound = rows["clip_id"].is_valid()
        if retry_failed:
            sound = pc.and_(sound, pc.not_equal(rows["status"], Status.FAILED.value))
        rows = rows.append_column("sound", sound)
        for at, (path, size, stamp, is_sound) in enumerate(tuples(rows, "path", "bytes", "stamp", "sound")):
            try:
                file = files.pop(path, None) or _look(path, real_folder)
            except Exception as error:  # every store has errors of its own
                unseen[at], why = True, why or str(error)
            else:
                holds[at] = is_sound and file is not None and file.bytes == size and file.changed_ns < stamp
                if file is not None and not holds[at]:
                    files[path] = file
        rows = rows.drop_columns("sound").set_column(INDEX.get_field_index("unseen"), "unseen", pa.array(unseen))
        kept.append(rows.filter(pa.array(holds | unseen)))
    found = pa.concat_tables(kept)
    del kept
    # The copy of a clip that is gone must be read again, to stand for itself.
    originals = found.filter(pc.field("status") != Status.REJECTED.value)["clip_id"].combine_chunks()
    stays = pc.or_(pc.is_in(found["clip_id"], originals), found["unseen"])
    new = sorted({*files, *found["path"].filter(pc.invert(stays)).to_pylist()})
    found = found.filter(stays)
    return found, new, total - len(found), why


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


def one_a_path(rows: pa.Table) -> pa.Table:
    """A row for each path, the newest, sorted; one more column names the path that stands for its content, if another.

    That is the first that could be read. A worker that dies after its rows were written has them written again.
    """
    newest = [("path", "ascending"), ("stamp", "descending"), ("status", "descending")]
    order = pc.sort_indices(rows, newest).to_numpy()
    paths = rows["path"].take(order).combine_chunks()
    again = np.zeros(len(rows), bool)
    again[1:] = pc.equal(paths[1:], paths[:-1])
    rows = rows.take(order[~again])
    contents = pc.coalesce(rows["clip_id"], rows["path"]).combine_chunks().dictionary_encode().indices
    best = np.argsort(pc.index_in(rows["status"], value_set=pa.array(BEST)).to_numpy(), kind="stable")
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
