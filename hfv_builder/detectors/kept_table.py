"""Parquet files that say which weights made their rows, so that those of other weights are not mistaken for theirs."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hfv_builder.storage.part_file import result_file


def write_kept(path: Path, table: pa.Table, *, made_by: str) -> None:
    """Write the table, atomically.

    Raises:
        UsageError: it cannot be written.
    """
    with result_file(path) as part, part.open("wb") as file:
        pq.write_table(table.replace_schema_metadata({"made_by": made_by}), file, compression="zstd")


def read_kept(path: Path, *, made_by: str) -> pa.Table | None:
    """Return the table; None if there is none by these weights, or the file is damaged."""
    try:
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read()
    except (OSError, pa.ArrowException):
        return None
    return table if (table.schema.metadata or {}).get(b"made_by", b"").decode() == made_by else None
