"""The manifests: Hive-partitioned Parquet tables.

Parts are added and partitions are replaced atomically, so a reader never sees an incomplete part or partition.
"""

import contextlib
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hfv_builder.records import Metric, UsageError
from hfv_builder.storage.lock import lock
from hfv_builder.storage.places import Place, answering, arrow_opens, listed, matching, put, sync, writable
from hfv_builder.storage.replacement import Replacement, despite_replacements, recover, visible_parts
from hfv_builder.storage.schema import Table

NEW = "part-new-"
"""Prefix of the names of parts that were added since the last replacement."""
FEW = 10_000
"""Number of rows up to which one thread reads a part faster than several."""
SMALL = 2 << 20
"""Bytes of local parts up to which they are read faster one after the other than at the same time."""
PAGE = 1000
"""Number of files that every object store lists in one step, so that no change happens in the middle of the list."""


class OtherColumns(UsageError):
    """A part lacks columns, because another version wrote it."""


class Manifests:
    """The tables below one folder or URL.

    Keyword arguments `partition` give the values of partition columns, such as `generator="kling"`. Methods that accept
    only some of them select all matching partitions.
    """

    def __init__(self, root: Place) -> None:
        """Use this folder or URL, without checking whether it exists.

        Raises:
            UsageError: the URL contains `::`, which would become another URL on its way to a worker.
        """
        if not isinstance(root, Path) and "::" in root.path:
            raise UsageError(f"manifests cannot be in {root}: choose a place without '::' in its name")
        self.root = root

    def __repr__(self) -> str:
        return f"Manifests({str(self.root)!r})"

    @property
    def local_root(self) -> Path:
        """The root as a local folder.

        Raises:
            UsageError: the root is a URL.
        """
        if not isinstance(self.root, Path):
            raise UsageError(f"this needs manifests on this machine: copy {self.root} to a folder and give that folder")
        return self.root

    def folder(self, table: Table, **partition: str) -> Place:
        """Return the folder of one partition; requires a value for every partition column of the table."""
        return self.root.joinpath(table.name, *(f"{column}={partition[column]}" for column in table.partition))

    def partitions(self, table: Table, **partition: str) -> list[dict[str, str]]:
        """Return the keys of all matching partitions that have a part, sorted."""
        return [keys for keys, _ in self.filled(table, partition)]

    def filled(self, table: Table, partition: dict[str, str]) -> Iterator[tuple[dict[str, str], list[Place]]]:
        """Yield the keys and parts of all matching partitions that have a part."""
        for folders, names in sorted(self._folders(table, partition).items()):
            if parts := visible_parts(self.root.joinpath(table.name, *folders), names):
                yield dict(folder.split("=", 1) for folder in folders), parts

    def _folders(self, table: Table, partition: dict[str, str]) -> dict[tuple[str, ...], list[str] | None]:
        """Return the folders of all matching partitions, with the names of their files if one step listed them all."""
        wanted = [f"{column}={partition.get(column, '*')}" for column in table.partition]
        if isinstance(self.root, Path):
            folders = matching(self.root / table.name, "/".join(wanted)) if wanted else [self.root / table.name]
            return {tuple(folder.parts[len(folder.parts) - len(wanted) :]): None for folder in folders}
        fixed = list(itertools.takewhile(lambda pattern: not pattern.endswith("*"), wanted))
        paths = listed(self.root.joinpath(table.name, *fixed))
        names: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for path in paths:
            *below, name = path.split("/")
            names[(*fixed, *below)].append(name)
        return {
            folders: names[folders] if len(paths) < PAGE else None
            for folders in names
            if len(folders) == len(wanted) and all(map(fnmatchcase, folders, wanted))
        }

    def parts(self, table: Table, **partition: str) -> list[Place]:
        """Return the part files of one partition, sorted by name, as readers should see them during a replacement."""
        folder = self.folder(table, **partition)
        if isinstance(folder, Path) or len(names := listed(folder)) >= PAGE:
            return visible_parts(folder)
        return visible_parts(folder, names)

    def is_settled(self, table: Table, **partition: str) -> bool:
        """Return whether no part was added to the partition since its last replacement."""
        return not any(part.name.startswith(NEW) for part in self.parts(table, **partition))

    def read(self, table: Table, columns: Sequence[str] | None = None, **partition: str) -> pa.Table:
        """Return the rows of all matching partitions, in the order of partitions and parts; empty if none match.

        Args:
            table: the table.
            columns: the columns to read; None reads all.

        Raises:
            UsageError: a part cannot be read or lacks a column.
        """
        names = list(columns or table.schema.names)
        return despite_replacements(lambda: self._read(table, names, partition, ""), str(self.root / table.name))

    def read_settled(self, table: Table, names: Sequence[str], **partition: str) -> pa.Table:
        """Return the same without the parts that were added since the last replacement, as by a command at work."""
        return despite_replacements(lambda: self._read(table, names, partition, NEW), str(self.root / table.name))

    def _read(self, table: Table, names: Sequence[str], partition: dict[str, str], but: str) -> pa.Table:
        schema = pa.schema([table.schema.field(name) for name in names])
        every = (part for _, of_partition in self.filled(table, partition) for part in of_partition)
        parts = [part for part in every if not (but and part.name.startswith(but))]
        read_part = partial(self.read_part, table, columns=names)
        if isinstance(self.root, Path) and sum(part.lstat().st_size for part in parts) <= SMALL:
            tables = [read_part(part) for part in parts]
        else:
            with ThreadPoolExecutor(8) as pool:
                tables = list(pool.map(read_part, parts))
        typed = (rows.replace_schema_metadata().cast(schema) for rows in tables)
        return pa.concat_tables([schema.empty_table(), *typed])

    def read_part(self, table: Table, part: Place, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of one part, with the metadata of its writer.

        Raises:
            UsageError: it cannot be read or lacks a column.
            FileNotFoundError: it does not exist any more.
        """
        names = list(columns or table.schema.names)
        folders = part.parent.parts[len(part.parent.parts) - len(table.partition) :]
        keys = dict(name.split("=", 1) for name in folders)
        with _opened(part, table) as file:
            count, schema = file.metadata.num_rows, file.schema_arrow
            stored = [name for name in names if name not in keys and name in schema.names]
            rows = file.read(stored, use_threads=count > FEW)
            for column, old, new in table.renamed:
                if column in stored:
                    values = pc.if_else(pc.equal(rows[column], old), new, rows[column])
                    rows = rows.set_column(rows.column_names.index(column), column, values)
            arrays = [rows[name] if name in stored else pa.repeat(pa.scalar(keys.get(name)), count) for name in names]
            return _typed(table, pa.table(arrays, names=names)).replace_schema_metadata(schema.metadata)

    def metadata(self, table: Table, part: Place) -> dict[bytes, bytes]:
        """Return the metadata of a part's writer, read from the footer.

        Raises:
            UsageError: it cannot be read or lacks a column.
        """
        with _opened(part, table) as file:
            return dict(file.schema_arrow.metadata or {})

    def span(self, table: Table, part: Place, column: str) -> tuple[Any, Any] | None:
        """Return the minimum and maximum of a column of one part, read from the footer; None if it has no rows.

        Raises:
            UsageError: it cannot be read or lacks a column.
        """
        with _opened(part, table) as file:
            footer = file.metadata
        index = footer.schema.names.index(column)
        statistics = [footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups)]
        spans = [(values.min, values.max) for values in statistics if values is not None and values.has_min_max]
        return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None

    def add(self, table: Table, rows: pa.Table, *, name: str, **partition: str) -> Place:
        """Add a part and return its path. A part that was added under the same `name` is overwritten.

        Raises:
            UsageError: the folder cannot be written.
        """
        folder = writable(self.folder(table, **partition))
        path = folder / f"{NEW}{name}.parquet"
        put(path, _parquet(_stored(table, rows, partition)))
        sync(folder)
        return path

    def replace(self, table: Table, rows: Iterable[pa.Table], read: Sequence[Place] = (), /, **partition: str) -> None:
        """Replace the parts `read` of a partition, or all, by these tables, one part each. Equal rows give equal files.

        `rows` may be a generator that reads the partition.

        Raises:
            UsageError: the folder cannot be written, or another command has taken over.
        """
        folder = writable(self.folder(table, **partition))
        replacement, after = Replacement(folder), set[str]()
        present = {part.name for part in matching(folder, "part-*.parquet")}
        before = {part.name for part in read} or present
        try:
            for batch in rows:
                data = _parquet(_stored(table, batch, partition))
                name = f"part-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
                if name not in present | after:
                    replacement.add(name, data)
                after.add(name)
            if before != after:
                replacement.carry_out(sorted(before - after))
        finally:
            replacement.end()

    def recover(self, table: Table, **partition: str) -> None:
        """Complete or roll back an interrupted replacement. Call it before adding parts that it would delete."""
        recover(self.folder(table, **partition))

    def evidence(self, clip_id: str, metric: Metric, *, profile: str, generator: str) -> Place:
        """Return the path of the image of a clip's worst moment, a WebP that exists if scoring has written it."""
        folder = self.root / "evidence" / f"profile={profile}" / f"generator={generator}"
        return folder / f"{clip_id}-{metric.value}.webp"

    def lock(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock `name` while the block runs, so that two commands cannot write the same rows.

        Raises:
            UsageError: another process holds it; see `lock.lock`.
        """
        return lock(self.root, name)


@contextlib.contextmanager
def _opened(part: Place, table: Table) -> Iterator[pq.ParquetFile]:
    try:
        with answering(f"{part} cannot be read"), contextlib.ExitStack() as stack:
            source = part if arrow_opens(part) else stack.enter_context(part.open("rb"))
            file = stack.enter_context(pq.ParquetFile(source))
            missing = sorted({*table.schema.names} - {*table.partition, *table.later, *file.schema_arrow.names})
            if missing:
                raise OtherColumns(f"{part} has no column {', '.join(missing)}: another version wrote it; {table.cure}")
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        # Errors of disks have an errno; errors of the file's content have none.
        disk_failed = getattr(error, "errno", None) is not None
        cure = "nothing is lost: run the same command again" if disk_failed else table.cure
        raise UsageError(f"{part} cannot be read ({str(error).strip()}); {cure}") from None


def _stored(table: Table, rows: pa.Table, partition: dict[str, str]) -> pa.Table:
    """Return the rows as they are stored: cast to the schema, with the partition columns.

    Readers of single files need the partition columns. Their type is dictionary<int32, string>, the only type that
    pyarrow, and so pandas, merges with the type that it infers from the names of the folders.
    """
    names = table.schema.names
    typed = _typed(table, rows.select([name for name in names if name not in partition]))
    columns = {name: _constant(partition[name], len(rows)) if name in partition else typed[name] for name in names}
    return pa.table(columns).replace_schema_metadata(rows.schema.metadata)


def _constant(value: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), count), pa.array([value]))


def _typed(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows cast to the schema, except vectors, whose list size is not part of the schema."""
    fields = [field if _is_vectors(field.type) else table.schema.field(field.name) for field in rows.schema]
    schema = pa.schema(fields, rows.schema.metadata)
    return rows if rows.schema.equals(schema) else rows.cast(schema)


def _is_vectors(kind: pa.DataType) -> bool:
    """Return whether the type is a list of fixed-size lists."""
    return bool(pa.types.is_list(kind) and pa.types.is_fixed_size_list(kind.value_type))


def _parquet(rows: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    # The values of vectors do not repeat and are not queried; dictionaries and statistics would triple the time.
    plain = any(_is_vectors(field.type) for field in rows.schema)
    statistics = ["clip_id"] if plain else True
    dictionaries = [field.name for field in rows.schema if pa.types.is_dictionary(field.type)] if plain else True
    options = {"compression": "zstd", "use_dictionary": dictionaries, "write_statistics": statistics}
    with pq.ParquetWriter(sink, rows.schema, **options) as writer:
        if len(rows):  # `datasets` cannot read a row group without rows
            writer.write_table(rows)
    return memoryview(sink.getvalue())
