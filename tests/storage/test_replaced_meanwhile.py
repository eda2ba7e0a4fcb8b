"""Reading manifests while another command replaces their parts."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.labelling.reviews import as_table, read_reviews
from hfv_builder.labelling.scored import present_fingerprint
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import EMBEDDINGS, LABELS, REVIEWS, SCORES, Table
from hfv_builder.storage.supersession import MADE_WITH
from pipelines.audit.near import mean_embeddings

PARTITION = {"profile": "lite", "metric": "motion", "generator": "kling"}


def test_a_part_that_is_replaced_after_it_was_listed_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = Manifests(tmp_path)

    def replaced_once(own: Manifests, table: Table, **keys: str) -> list[Any]:
        found = parts(own, table, **keys)
        monkeypatch.undo()
        manifests.replace(table, [new[table.name]], **keys)
        return found

    parts = Manifests.parts
    vectors = pa.array([[[3.0, 4.0]]], pa.list_(pa.list_(pa.float16(), 2)))
    embeddings = pa.table({"clip_id": ["a"], "frames": [[0]], "vectors": vectors})
    new = {"scores": SCORES.schema.empty_table().replace_schema_metadata({MADE_WITH: "new"})}
    new |= {"reviews": as_table([], overlap=3), "embeddings": embeddings}
    reads: list[tuple[Table, dict[str, str], Any, Any]] = [
        (SCORES, PARTITION, lambda: present_fingerprint(manifests, **PARTITION), "new"),
        (REVIEWS, {}, lambda: read_reviews(manifests), ([], 3)),
        (EMBEDDINGS, {"model": "m", "generator": "kling"}, lambda: len(mean_embeddings(manifests, ["a"])), 1),
    ]
    for table, keys, read, result in reads:
        manifests.replace(table, [table.schema.empty_table()], **keys)
        monkeypatch.setattr(Manifests, "parts", replaced_once)
        assert read() == result
    lost = manifests.root / "labels" / "generator=kling" / "part-lost.parquet"
    lost.parent.mkdir(parents=True)
    lost.symlink_to("nowhere")
    with pytest.raises(UsageError, match="labels lacks a part"):
        manifests.read(LABELS)
