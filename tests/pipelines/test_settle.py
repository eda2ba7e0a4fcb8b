"""Settling gives the same parts however the rows were divided, and loses none."""

import hashlib
import itertools
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from pipelines.score.compaction import settle

WHERE: dict[str, Any] = {"profile": "lite", "metric": "motion", "generator": "kling"}


def ids(count: int) -> list[str]:
    return sorted(hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(count))


def fill(manifests: Manifests, shards: list[list[str]]) -> None:
    for number, shard in enumerate(shards):
        rows = [dict.fromkeys(SCORES.schema.names) | {"clip_id": each, "score": float(number)} for each in shard]
        manifests.add(SCORES, pa.Table.from_pylist(rows, schema=SCORES.schema), name=str(number), **WHERE)


def first_of_each(parts: list[pa.Table]) -> list[pa.Table]:
    """The row of each clip with the least score."""
    rows = pa.concat_tables(parts).sort_by([("clip_id", "ascending"), ("score", "ascending")])
    known = rows["clip_id"].to_pylist()
    return [rows.filter(pa.array([i == 0 or known[i - 1] != each for i, each in enumerate(known)], pa.bool_()))]


@given(
    count=st.integers(1, 40),
    room=st.integers(1, 50),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    again=st.lists(st.integers(0, 39), max_size=5),
)
def test_the_parts_do_not_depend_on_the_shards(count: int, room: int, cuts: list[int], again: list[int]) -> None:
    known = ids(count)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    shards = [known[start:end] for start, end in itertools.pairwise(edges)]
    repeated = [[known[number % count]] for number in again]  # scored twice, as after a kill
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, divided in (("whole", [known]), ("divided", [*shards, *repeated])):
            manifests = Manifests(Path(temporary, name))
            fill(manifests, divided)
            assert not manifests.is_settled(SCORES, **WHERE)
            settle(manifests, SCORES, first_of_each, clips=count, part_rows=room, **WHERE)
            assert manifests.is_settled(SCORES, **WHERE)
            rows = manifests.read(SCORES, ["clip_id"])["clip_id"].to_pylist()
            parts = [manifests.read_part(SCORES, part, ["clip_id"]) for part in manifests.parts(SCORES, **WHERE)]
            found.append((sorted(rows), sorted(str(part["clip_id"].to_pylist()) for part in parts)))
            if room >= count:
                assert len(parts) == 1
                assert rows == known
    assert found[0] == found[1]
    assert found[0][0] == known


def test_what_is_settled_is_not_read_again(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path)
    fill(manifests, [ids(3)])
    settle(manifests, SCORES, first_of_each, clips=3, part_rows=10, **WHERE)

    def never(parts: list[pa.Table]) -> list[pa.Table]:
        raise AssertionError

    settle(manifests, SCORES, never, clips=3, part_rows=10, **WHERE)
