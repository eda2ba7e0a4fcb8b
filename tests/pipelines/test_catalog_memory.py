"""Memory of a catalogue of many clips."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.storage.file_status import FileStatus
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.clip_index import STAMP
from pipelines.catalog.folder import Listing, as_others
from pipelines.catalog.stage import catalog
from pipelines.status import status as status_of


def test_memory_grows_by_less_than_a_hundred_bytes_per_clip(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 30_000
    columns = {
        "clip_id": [f"{number:016x}" for number in range(count)],
        "generator": ["mine"] * count,
        "path": [f"/disk/{number:060d}.mp4" for number in range(count)],
        "bytes": range(count),
        "status": ["ok"] * count,
        "is_real": [False] * count,
    }
    empty = {field.name: pa.nulls(count, field.type) for field in CLIPS.schema}
    columns_with_values = {name: pa.array(values, CLIPS.schema.field(name).type) for name, values in columns.items()}
    table = pa.table(empty | columns_with_values, schema=CLIPS.schema).replace_schema_metadata({STAMP: "10"})
    manifests.add(CLIPS, table, name="x", generator="mine")
    files = {path: FileStatus(size, 1) for size, path in enumerate(columns_with_values["path"].to_pylist())}
    listing = Listing(folder=str(tmp_path), files=files, others=as_others([]), denied=[])
    monkeypatch.setattr("pipelines.catalog.stage.list_clips", lambda *_: listing)
    monkeypatch.setattr("pipelines.catalog.clip_index.ROWS_READ", 1000)
    monkeypatch.setattr("pipelines.catalog.clip_index.PART_ROWS", 5000)

    def bytes_per_clip(work: Callable[[], Any]) -> float:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1] / count
        finally:
            tracemalloc.stop()

    assert bytes_per_clip(lambda: status_of(manifests)) < 50
    assert bytes_per_clip(lambda: catalog(manifests, "mine", tmp_path)) < 100
    assert len(manifests.parts(CLIPS, generator="mine")) == 6
    assert manifests.read(CLIPS, generator="mine").sort_by("path").equals(table.replace_schema_metadata())
