"""An object store, which lists a table in one step, has the partitions and rows that a folder has."""

import json
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, place, put, writable
from hfv_builder.storage.replacement import JOURNAL
from hfv_builder.storage.schema import FINAL, LABELS, SCORES, Table

NAMED = st.lists(st.sampled_from(["part-0.parquet", "part-1.parquet", "part-new-2.parquet"]), unique=True)
JOURNALS = st.none() | st.fixed_dictionaries({"old": NAMED, "new": NAMED, "whole": st.booleans()})
KEYS = ("a", "ab", "b")
Content = tuple[list[str], dict[str, Any] | None]


@cache
def part(table: Table, name: str) -> bytes:
    """Return a part of one row, whose clip id is the name."""
    values: dict[str, Any] = dict.fromkeys(table.schema.names) | {"clip_id": name}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([values], schema=table.schema).drop_columns(list(table.partition)), sink)
    return bytes(sink.getvalue())


def write(root: Place, table: Table, partitions: Mapping[tuple[str, ...], Content]) -> None:
    """Write the parts and the journal of every partition, and files that are neither."""
    for keys, (names, journal) in partitions.items():
        folder = writable(Manifests(root).folder(table, **dict(zip(table.partition, keys, strict=True))))
        for name in names:
            put(folder / name, part(table, name))
        put(folder / "notes.txt", "no part")
        put(writable(folder / "below") / "part-9.parquet", "no part of this table")
        if journal is not None:
            put(folder / JOURNAL, json.dumps(journal))


def seen(root: Place, table: Table, choices: Iterable[dict[str, str]]) -> list[Any]:
    """Return what readers see of the partitions that match each choice."""
    manifests = Manifests(root)
    return [
        (
            manifests.read(table, ["clip_id", *table.partition], **chosen).to_pylist(),
            keys := manifests.partitions(table, **chosen),
            [[part.name for part in manifests.parts(table, **each)] for each in keys],
        )
        for chosen in choices
    ]


@given(st.data(), st.sampled_from([FINAL, LABELS, SCORES]), st.sampled_from([1, 4, 1000]))
def test_a_store_has_what_a_folder_has(data: st.DataObject, table: Table, page: int) -> None:
    some_keys = st.tuples(*(st.sampled_from(KEYS) for _ in table.partition))
    partitions = data.draw(st.dictionaries(some_keys, st.tuples(NAMED, JOURNALS), max_size=5))
    columns = [some for count in range(len(table.partition) + 1) for some in combinations(table.partition, count)]
    choices = [{column: data.draw(st.sampled_from(KEYS)) for column in some} for some in columns]
    store = place(f"memory://{uuid.uuid4().hex}")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hfv_builder.storage.manifest.PAGE", page)
        for root in (Path(folder), store):
            write(root, table, partitions)
        assert seen(store, table, choices) == seen(Path(folder), table, choices)
    if not isinstance(store, Path) and store.exists():
        store.fs.rm(store.path, recursive=True)


@pytest.mark.parametrize("page", [7, 6])
def test_a_store_lists_a_table_once_if_one_step_is_enough(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """A list of several steps shows partitions of different times, so each partition is listed again."""
    store: Any = place(f"memory://{uuid.uuid4().hex}")
    manifests = Manifests(store)
    rows = pa.Table.from_pylist([dict.fromkeys(LABELS.schema.names)], schema=LABELS.schema)
    for generator in KEYS:
        manifests.add(LABELS, rows, name="first", generator=generator)
        manifests.add(LABELS, rows, name="second", generator=generator)
    find = type(store.fs).find

    def outdated(*args: Any, **options: Any) -> Any:
        paths = find(*args, **options)
        if f"{store.path}/labels" in args:
            store.fs.rm_file(paths[0])
        return paths

    monkeypatch.setattr(type(store.fs), "find", outdated)
    monkeypatch.setattr("hfv_builder.storage.manifest.PAGE", page)
    parts = [part for _, of_partition in manifests.filled(LABELS, {}) for part in of_partition]
    assert len(parts) == page - 1  # five are left
