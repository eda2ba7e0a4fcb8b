"""Read files on a worker and write their catalogue rows."""

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from hfv_builder.clips.kinds import EMPTY, UNKNOWN, kind_by_content
from hfv_builder.frames.facts import probe
from hfv_builder.frames.video import decoder_version
from hfv_builder.records import Status, UsageError, reason
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import blame_disks, local_copy, place
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.clip_index import STAMP
from pipelines.workers.deadline import deadline
from pipelines.workers.faults import OUR_FAULTS, described

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """Result of reading the files of a shard."""

    readable: int
    fault: str | None = None
    """A possible internal error: none of the files could be read, and no row was written."""


def catalog_shard(
    paths: list[str],
    *,
    manifests: Manifests,
    generator: str,
    stamp: int,
    error: str | None = None,
    unread: bool = False,
    proven: bool = False,
    deadline_s: float | None = None,
) -> ShardResult:
    """Read files and write their rows as one part.

    Args:
        paths: the files.
        manifests: the manifests.
        generator: the generator.
        stamp: the stamp of the part, see `clip_index.STAMP`.
        error: the known reason why the files cannot be probed; they are only hashed.
        unread: do not even hash the files.
        proven: this code has read other files, so that an error such as a TypeError is blamed on the file.
        deadline_s: seconds for one file, after which this process is killed.
    """
    rows, faults = [], []
    with deadline(deadline_s) as begin:
        for path in paths:
            begin()
            row, raised = (_row(path) | {"error": error}, None) if unread else read_file(path, error)
            rows.append(row)
            if isinstance(raised, OUR_FAULTS):
                faults.append(described(raised))
    readable = sum(row["status"] == Status.OK for row in rows)
    if faults and not readable and not proven:
        return ShardResult(readable=0, fault=faults[0])
    name = hashlib.sha256("\n".join(f"{row['path']}{row['sha256']}" for row in rows).encode()).hexdigest()[:16]
    complete = [dict.fromkeys(CLIPS.schema.names) | row for row in rows]
    part = pa.Table.from_pylist(complete, CLIPS.schema).replace_schema_metadata({STAMP: str(stamp)})
    manifests.add(CLIPS, part, name=name, generator=generator)
    return ShardResult(readable=readable)


def read_file(path: str, error: str | None = None) -> tuple[Row, Exception | None]:
    """Return the row of one file, and the exception if the file could not be read.

    The row has the hash of the file, and the facts of the clip unless `error` is given. The `error` column of a
    readable clip contains remarks, if any; its status is still `ok`.

    Raises:
        UsageError: the whole folder is not accessible.
    """
    row, failure, remarks = _row(path), None, list[str]()
    try:
        with local_copy(place(path)) as file:
            with file.open("rb") as content:
                row["sha256"] = hashlib.file_digest(content, "sha256").hexdigest()
                row["bytes"] = content.tell()
            row["clip_id"] = row["sha256"][:16]
            if error is None:
                facts = dict(vars(probe(file)))
                remarks += facts.pop("remarks")
                values, unfit = storable(facts)
                row |= values
                remarks += [f"its {name} does not fit the table and is left out" for name in unfit]
    except UsageError:
        raise
    except Exception as raised:  # decoders raise many types
        blame_disks(place(path), raised)
        error, failure = reason(raised) + _content(path), raised
    status = Status.OK if error is None else Status.FAILED
    return row | {"status": status.value, "error": error or "; ".join(remarks) or None}, failure


def storable(values: Row) -> tuple[Row, list[str]]:
    """Return the values with those that do not fit their column of `clips` replaced by None, and the names of these."""
    unfit = [name for name, value in values.items() if not _fits(value, CLIPS.schema.field(name).type)]
    return values | dict.fromkeys(unfit), unfit


def _fits(value: Any, kind: pa.DataType) -> bool:
    """Return whether a value fits a column of this type. Does not use `pa.scalar`, which imports pandas."""
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -1 << kind.bit_width - 1 <= value < 1 << kind.bit_width - 1


def _content(path: str) -> str:
    """Return a remark on the content of a file that is named like a clip and is something else; empty if unknown."""
    try:
        with local_copy(place(path)) as file, file.open("rb") as content:
            kind = kind_by_content("", content)
    except (OSError, UsageError):
        return ""
    return "" if kind in ("", EMPTY, UNKNOWN) else f"; its content is {kind}"


def _row(path: str) -> Row:
    """Return the row of a file that has not been opened."""
    row: Row = {"path": path, "sha256": None, "status": Status.FAILED.value}
    return row | {"decoder": "pyav", "decoder_version": _version()}


@cache
def _version() -> str:
    return decoder_version("pyav")
