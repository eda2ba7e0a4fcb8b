"""Other programs read every manifest: whole folders, files by a pattern, and single files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, EMBEDDINGS, LABELS, SCORES, TABLES, Table

VALUES: dict[str, Any] = {
    "string": "x",
    "int32": 1,
    "int64": 2,
    "double": 0.5,
    "bool": True,
    "timestamp[us, tz=UTC]": datetime(2026, 1, 1, tzinfo=UTC),
    "map<string, double>": [("speed", 2.5)],
    "list<item: int32>": [0, 1],
    "list<item: float>": [0.5, None],
    "list<item: string>": ["x", "y"],
    "struct<x: int32, y: int32, w: int32, h: int32>": {"x": 1, "y": 2, "w": 3, "h": 4},
}
GENERATORS = ("kling", "pika")
KEYS = {"profile": ("lite", "paper"), "metric": ("motion", "spatial"), "generator": GENERATORS, "model": ("clip",)}
ROWS = 2
"""Number of rows in every partition."""


def partitions(table: Table) -> list[dict[str, str]]:
    """Return the partitions that the fixture writes of a table."""
    combinations: list[dict[str, str]] = [{}]
    for column in table.partition:
        combinations = [keys | {column: value} for keys in combinations for value in KEYS[column]]
    return combinations


def filled(table: Table) -> pa.Table:
    """Return a row of values and a row of nulls."""
    columns = {field.name: [VALUES.get(str(field.type)), None] for field in table.schema}
    columns["clip_id"] = ["a", "b"]
    if table is not EMBEDDINGS:
        return pa.table({field.name: pa.array(columns[field.name], field.type) for field in table.schema})
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(8, np.float16)), 2)
    arrays = {name: pa.array(columns[name]) for name in ("clip_id", "generator", "model")}
    frames = pa.array([[0, 1], [0, 1]], pa.list_(pa.int32()))
    return pa.table(arrays | {"frames": frames, "vectors": pa.ListArray.from_arrays([0, 2, 4], vectors)})


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    written = Manifests(tmp_path_factory.mktemp("manifests"))
    for table in TABLES:
        for keys in partitions(table):
            written.replace(table, [filled(table)], **keys)
            written.add(table, filled(table)[:0], name="none", **keys)
    return written


def check(table: Table, frame: Any) -> None:
    """Check that a frame has all columns and rows, and that partition columns have their values."""
    assert set(frame.columns) == set(table.schema.names)
    assert len(frame) == ROWS * len(partitions(table))
    for column in table.partition:
        assert sorted(set(frame[column])) == list(KEYS[column])


def pattern(manifests: Manifests, table: Table) -> str:
    return str(manifests.local_root / table.name / "**" / "*.parquet")


every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@every_table
def test_pandas_reads_every_table(manifests: Manifests, table: Table) -> None:
    folder = manifests.local_root / table.name
    check(table, pd.read_parquet(folder))
    if "generator" in table.partition:
        filtered = pd.read_parquet(folder, filters=[("generator", "==", "pika")])
        assert set(filtered["generator"]) == {"pika"}
    files = [path for path in folder.rglob("part-*.parquet") if pq.read_metadata(path).num_rows]
    check(table, pd.concat([pd.read_parquet(path) for path in files]))


@every_table
def test_pyarrow_reads_every_table(manifests: Manifests, table: Table) -> None:
    rows = pq.read_table(manifests.local_root / table.name)
    assert rows.num_rows == ROWS * len(partitions(table))
    assert set(rows.column_names) == set(table.schema.names)


@every_table
def test_polars_reads_every_table(manifests: Manifests, table: Table) -> None:
    polars = pytest.importorskip("polars")
    check(table, polars.read_parquet(pattern(manifests, table)))
    check(table, polars.scan_parquet(manifests.local_root / table.name, hive_partitioning=True).collect())
    check(table, polars.scan_parquet(pattern(manifests, table), hive_partitioning=True).collect())


@every_table
@pytest.mark.parametrize("hive", [True, False])
def test_duckdb_reads_every_table(manifests: Manifests, table: Table, hive: bool) -> None:
    duckdb = pytest.importorskip("duckdb")
    check(table, duckdb.read_parquet(pattern(manifests, table), hive_partitioning=hive).df())


@every_table
def test_datasets_reads_every_table(manifests: Manifests, table: Table, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    options: dict[str, Any] = {}
    if table is SCORES:  # `datasets` has no type for maps: the column dictionary describes the workaround
        (first, *_) = sorted((manifests.local_root / "scores").rglob("part-*.parquet"))
        schema = pq.read_schema(first)
        others = schema.remove(schema.get_field_index("components"))
        features = datasets.Features.from_arrow_schema(others) | {"components": datasets.Json()}
        options = {"features": datasets.Features(features)}
    loaded = datasets.load_dataset(
        "parquet", data_files=pattern(manifests, table), split="train", cache_dir=str(tmp_path), **options
    )
    assert sorted(loaded.column_names) == sorted(table.schema.names)
    assert len(loaded) == ROWS * len(partitions(table))
    if table is SCORES:
        assert {str(components) for components in loaded["components"]} == {"[['speed', 2.5]]", "None"}
    for column in table.partition:
        assert sorted(set(loaded[column])) == list(KEYS[column])


def test_schemas_have_no_dictionary_columns(manifests: Manifests) -> None:
    for table in (CLIPS, SCORES, LABELS):
        assert manifests.read(table).schema.equals(table.schema)


def test_equal_rows_give_equal_files_whatever_their_partition_columns_hold(tmp_path: Path) -> None:
    rows = filled(LABELS)
    blank = rows.set_column(rows.schema.get_field_index("generator"), "generator", pa.nulls(len(rows), pa.string()))
    names = set()
    for number, table in enumerate((rows, blank)):
        written = Manifests(tmp_path / str(number))
        written.replace(LABELS, [table], generator="kling")
        names |= {path.name for path in written.parts(LABELS, generator="kling")}
        assert written.read(LABELS)["generator"].to_pylist() == ["kling", "kling"]
    assert len(names) == 1
