"""The manifests: Hive-partitioned Parquet that is only ever added to or replaced whole, atomically.

A part is written under a hidden name, flushed to disk and renamed into place, so a reader never sees half
of one. Replacing parts by others cannot be one rename; a hidden journal that names the new and the old
parts makes it one step for our readers, and the next writer completes a replacement that was cut short.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from hfv_builder.records import UsageError
from hfv_builder.schema import Table

JOURNAL = ".replacing.json"
HIDDEN = ".hfv-"
"""What the names of unfinished files begin with."""


class Manifests:
    """The tables below one folder. `partition` arguments name the folder: `generator="kling"`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Manifests({str(self.root)!r})"

    def folder(self, table: Table, **partition: str) -> Path:
        """The folder of one partition; every partition column of the table must be given."""
        return self.root.joinpath(table.name, *(f"{column}={partition[column]}" for column in table.partition))

    def partitions(self, table: Table, **partition: str) -> list[dict[str, str]]:
        """The partitions that hold at least one part, of those that match what is given, sorted."""
        pattern = "/".join(f"{column}={partition.get(column, '*')}" for column in table.partition)
        folders = sorted((self.root / table.name).glob(pattern)) if pattern else [self.root / table.name]
        depth = len(self.root.parts) + 1
        found = [dict(name.split("=", 1) for name in folder.parts[depth:]) for folder in folders]
        return [keys for keys in found if self.parts(table, **keys)]

    def parts(self, table: Table, **partition: str) -> list[Path]:
        """The part files of one partition, sorted by name, without those that a replacement made obsolete."""
        folder = self.folder(table, **partition)
        obsolete = _obsolete(folder)
        return sorted(p for p in folder.glob("part-*.parquet") if p.name not in obsolete)

    def read(self, table: Table, columns: Sequence[str] | None = None, **partition: str) -> pa.Table:
        """The rows of all partitions that match, in the order of partitions and parts; empty if there are none.

        Raises:
            UsageError: a part cannot be read or lacks a column.
        """
        names = list(columns or table.schema.names)
        files = [p for keys in self.partitions(table, **partition) for p in self.parts(table, **keys)]
        schema = pa.schema([table.schema.field(name) for name in table.schema.names])
        if not files:
            return schema.empty_table().select(names)
        keys = pa.schema([schema.field(name) for name in table.partition])
        try:
            for file in files:
                _check_columns(file, table)
            dataset = ds.dataset(
                [str(p) for p in files],
                schema=schema,
                format="parquet",
                partitioning=ds.partitioning(keys, flavor="hive"),
                partition_base_dir=str(self.root / table.name),
            )
            return dataset.to_table(columns=names)
        except (pa.ArrowInvalid, OSError) as error:
            raise UsageError(f"{_culprit(files)} cannot be read ({error}); delete it and run its stage again") from None

    def stamped(self, table: Table, **partition: str) -> Iterator[tuple[pa.Table, dict[bytes, bytes]]]:
        """The parts of one partition one by one, each with the metadata that its writer gave the rows."""
        for part in self.parts(table, **partition):
            _check_columns(part, table)
            file = pq.ParquetFile(part)
            yield file.read(), file.schema_arrow.metadata or {}

    def add(self, table: Table, rows: pa.Table, *, name: str, **partition: str) -> Path:
        """Write one more part, `part-{name}.parquet`; a part of that name is replaced.

        Raises:
            UsageError: the folder cannot be written.
        """
        folder = _writable(self.folder(table, **partition))
        path = folder / f"part-{name}.parquet"
        os.replace(_write_hidden(folder, _stored(table, rows)), path)
        _sync_folder(folder)
        return path

    def replace(self, table: Table, rows: Iterable[pa.Table], **partition: str) -> None:
        """Make these tables, a part each, all that the partition holds. Equal rows give equal files.

        Raises:
            UsageError: the folder cannot be written.
        """
        folder = _writable(self.folder(table, **partition))
        _complete(folder)
        before = {p.name for p in folder.glob("part-*.parquet")}
        hidden = {}
        for batch in rows:
            written = _write_hidden(folder, _stored(table, batch))
            hidden[f"part-{_digest(written)}.parquet"] = written.name
        new = {name: hidden[name] for name in sorted(set(hidden) - before)}
        old = sorted(before - set(hidden))
        if new or old:
            write_atomic(folder / JOURNAL, json.dumps({"new": new, "old": old}))
        _complete(folder)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock `name` while the block runs, so that two commands cannot write the same rows.

        Raises:
            UsageError: another process holds it.
        """
        import fcntl

        path = _writable(self.root) / f".lock-{name}"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(f"another hfv is at work on {name} in {self.root}; wait until it ends") from None
            yield


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    handle, hidden = tempfile.mkstemp(dir=path.parent, prefix=HIDDEN, suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(hidden, 0o644)
    os.replace(hidden, path)


def _stored(table: Table, rows: pa.Table) -> pa.Table:
    """The rows as a part holds them: cast to the schema, without the columns that the folders name."""
    fields = [field for field in table.schema if field.name not in table.partition]
    rows = rows.select([field.name for field in fields])
    fields = [rows.schema.field(f.name) if _is_vectors(rows.schema.field(f.name).type) else f for f in fields]
    return rows.cast(pa.schema(fields)).replace_schema_metadata(rows.schema.metadata)


def _is_vectors(kind: pa.DataType) -> bool:
    """Whether it is a list of fixed-size lists, whose size is the data's own and no schema's."""
    return bool(pa.types.is_list(kind) and pa.types.is_fixed_size_list(kind.value_type))


def _write_hidden(folder: Path, rows: pa.Table) -> Path:
    """Write and flush a part under a hidden name, which no reader of Hive partitions looks at."""
    handle, hidden = tempfile.mkstemp(dir=folder, prefix=HIDDEN, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            pq.write_table(rows, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(hidden, 0o644)
    except BaseException as error:
        Path(hidden).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from None
        raise
    return Path(hidden)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _journal(folder: Path) -> dict[str, Any] | None:
    try:
        journal: dict[str, Any] = json.loads((folder / JOURNAL).read_text())
    except FileNotFoundError:
        return None
    return journal


def _arrived(folder: Path, journal: dict[str, Any]) -> bool:
    return all((folder / name).exists() for name in journal["new"])


def _obsolete(folder: Path) -> set[str]:
    """Names of the parts to look past in the midst of a replacement: the old ones once every new one is in
    place, until then the new ones.
    """
    journal = _journal(folder)
    if journal is None:
        return set()
    return set(journal["old"] if _arrived(folder, journal) else journal["new"])


def _complete(folder: Path) -> None:
    """Carry out the replacement that the journal describes, if there is one, and sweep up after killed writers."""
    journal = _journal(folder)
    if journal is not None:
        for name, hidden in journal["new"].items():
            if (folder / hidden).exists():
                os.replace(folder / hidden, folder / name)
        if _arrived(folder, journal):
            for name in journal["old"]:
                (folder / name).unlink(missing_ok=True)
        _sync_folder(folder)
        (folder / JOURNAL).unlink()
    for leftover in folder.glob(f"{HIDDEN}*.tmp"):
        leftover.unlink()


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "permission denied")
    except OSError as error:
        raise UsageError(
            f"cannot write to {folder}: {error.strerror}; choose another place with --manifests DIR"
        ) from None
    return folder


def _sync_folder(folder: Path) -> None:
    """Make renames in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_columns(file: Path, table: Table) -> None:
    missing = [
        name for name in table.schema.names if name not in table.partition and name not in pq.read_schema(file).names
    ]
    if missing:
        raise UsageError(f"{file} has no column {', '.join(missing)}: another version wrote it; run its stage again")


def _culprit(files: Iterable[Path]) -> str:
    """The first file that is no Parquet, for the message; Arrow's own error does not always name it."""
    for file in files:
        try:
            pq.ParquetFile(file).close()
        except (pa.ArrowInvalid, OSError):
            return str(file)
    return "a manifest"
