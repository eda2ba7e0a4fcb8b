"""Compaction gives the same parts however the rows were divided, and loses none."""

import hashlib
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place
from hfv_builder.storage.schema import SCORES, Table
from pipelines.score.compaction import settle

PARTITION: dict[str, Any] = {"profile": "lite", "metric": "motion", "generator": "kling"}


def ids(count: int) -> list[str]:
    return sorted(hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(count))


def fill(manifests: Manifests, shards: list[list[str]]) -> None:
    for position, shard in enumerate(shards):
        rows = [
            dict.fromkeys(SCORES.schema.names) | {"clip_id": clip_id, "score": float(position)} for clip_id in shard
        ]
        manifests.add(SCORES, pa.Table.from_pylist(rows, schema=SCORES.schema), name=str(position), **PARTITION)


def least_of_each_clip(parts: list[pa.Table]) -> list[pa.Table]:
    """Return the row with the least score of every clip."""
    rows = pa.concat_tables(parts).sort_by([("clip_id", "ascending"), ("score", "ascending")])
    clip_ids = rows["clip_id"].to_pylist()
    return [
        rows.filter(pa.array([i == 0 or clip_ids[i - 1] != clip_id for i, clip_id in enumerate(clip_ids)], pa.bool_()))
    ]


@given(
    count=st.integers(1, 16),
    part_rows=st.integers(1, 20),
    cuts=st.lists(st.integers(0, 16), max_size=4),
    repeats=st.lists(st.integers(0, 15), max_size=3),
)
def test_the_parts_do_not_depend_on_the_shards(count: int, part_rows: int, cuts: list[int], repeats: list[int]) -> None:
    clip_ids = ids(count)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    shards = [clip_ids[start:end] for start, end in itertools.pairwise(edges)]
    repeated = [[clip_ids[number % count]] for number in repeats]  # scored twice, as after a kill
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, divided in (("whole", [clip_ids]), ("divided", [*shards, *repeated])):
            manifests = Manifests(Path(temporary, name))
            fill(manifests, divided)
            assert not manifests.is_settled(SCORES, **PARTITION)
            settle(manifests, SCORES, least_of_each_clip, clips=count, part_rows=part_rows, **PARTITION)
            assert manifests.is_settled(SCORES, **PARTITION)
            rows = manifests.read(SCORES, ["clip_id"])["clip_id"].to_pylist()
            parts = [manifests.read_part(SCORES, part, ["clip_id"]) for part in manifests.parts(SCORES, **PARTITION)]
            results.append((sorted(rows), sorted(str(part["clip_id"].to_pylist()) for part in parts)))
            if part_rows >= count:
                assert len(parts) == 1
                assert rows == clip_ids
    assert results[0] == results[1]
    assert results[0][0] == clip_ids


def test_a_compacted_partition_is_not_read_again(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path)
    fill(manifests, [ids(3)])
    settle(manifests, SCORES, least_of_each_clip, clips=3, part_rows=10, **PARTITION)

    def never(parts: list[pa.Table]) -> list[pa.Table]:
        raise AssertionError

    settle(manifests, SCORES, never, clips=3, part_rows=10, **PARTITION)


def test_a_part_that_is_added_after_the_others_were_listed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose driver was killed may still write one."""
    first, second = ids(2)
    manifests, parts = Manifests(tmp_path), Manifests.parts
    fill(manifests, [[first]])

    def parts_before_another(self: Manifests, table: Table, **partition: str) -> list[Place]:
        listed = parts(self, table, **partition)
        fill(self, [[first], [second]])
        return listed

    with monkeypatch.context() as patch:
        patch.setattr(Manifests, "is_settled", lambda *_, **__: False)
        patch.setattr(Manifests, "parts", parts_before_another)
        settle(manifests, SCORES, least_of_each_clip, clips=2, part_rows=9, **PARTITION)
    settle(manifests, SCORES, least_of_each_clip, clips=2, part_rows=9, **PARTITION)
    assert manifests.read(SCORES, ["clip_id"])["clip_id"].to_pylist() == [first, second]
