"""Every content has one owner, footage before generated clips, whatever the order of rows."""

import random
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.clips.ownership import HOLDER, LOST, counted_rows, lost_rows
from hfv_builder.storage.schema import CLIPS

REAL = {"camera", "k400"}
SCHEMA = pa.schema([CLIPS.schema.field(name) for name in HOLDER])


def row(clip_id: str, generator: str, status: str = "ok", path: str = "a", width: int | None = 8) -> dict[str, Any]:
    file = f"/{generator}/{path}"
    values = (clip_id, generator, generator in REAL, file, None if status == "failed" else width, status)
    return dict(zip(HOLDER, values, strict=True))


def counted(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    table = pa.Table.from_pylist(rows, SCHEMA)
    kept = counted_rows(table, lost_rows(table)).to_pylist()
    return sorted((record["clip_id"], record["generator"], record["path"]) for record in kept)


def owners(rows: list[dict[str, Any]]) -> dict[str, str]:
    kept = counted(rows)
    assert len({clip_id for clip_id, _, _ in kept}) == len(kept)
    return {clip_id: generator for clip_id, generator, _ in kept}


def test_footage_owns_contents_before_generators() -> None:
    rows = [row("x", "kling"), row("x", "camera"), row("x", "aaa", "duplicate"), row("y", "kling")]
    assert owners(rows) == {"x": "camera", "y": "kling"}
    lost = lost_rows(pa.Table.from_pylist(rows, SCHEMA))
    assert lost.schema == LOST
    assert [(record["generator"], record["is_footage"]) for record in lost.to_pylist()] == [
        ("aaa", True),
        ("kling", True),
    ]
    assert {record["owner_path"] for record in lost.to_pylist()} == {"/camera/a"}


def test_among_generators_the_original_owns_and_then_the_first_by_name() -> None:
    assert owners([row("x", "pika"), row("x", "kling")]) == {"x": "kling"}
    assert owners([row("x", "pika"), row("x", "kling", "duplicate")]) == {"x": "pika"}
    assert owners([row("x", "k400"), row("x", "camera", "duplicate")]) == {"x": "k400"}


def test_a_duplicate_counts_if_its_original_is_gone() -> None:
    rows = [row("x", "pika", "duplicate", "b"), row("x", "pika", "duplicate", "a"), row("x", "sora", "duplicate")]
    assert counted(rows) == [("x", "pika", "/pika/a")]
    table = pa.Table.from_pylist(rows, SCHEMA)
    assert counted_rows(table, lost_rows(table))["status"].to_pylist() == ["ok"]


def test_unreadable_files_own_nothing_and_are_no_duplicates() -> None:
    assert counted([row("x", "kling", "failed"), row("x", "pika", "failed")]) == [
        ("x", "kling", "/kling/a"),
        ("x", "pika", "/pika/a"),
    ]
    assert owners([row("x", "camera", "failed"), row("x", "pika")]) == {"x": "pika"}
    no_content = row("x", "kling", "failed") | {"clip_id": None}
    assert counted([no_content, no_content]) == []


def test_copies_inside_a_generator_count_once() -> None:
    assert owners([row("x", "kling"), row("x", "kling", "duplicate", "b")]) == {"x": "kling"}


def test_tables_without_rows_stay_empty() -> None:
    empty = SCHEMA.empty_table()
    assert lost_rows(empty).schema == LOST
    assert len(counted_rows(empty, lost_rows(empty))) == 0


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from("uvwxyz"),
        st.sampled_from(["kling", "pika", "sora", *sorted(REAL)]),
        st.sampled_from(["ok", "duplicate", "failed"]),
        st.sampled_from("abc"),
        st.sampled_from([8, None]),
    ),
    max_size=24,
    unique_by=lambda record: (record["clip_id"], record["generator"], record["path"]),
)


@given(ROWS, st.randoms(use_true_random=False))
def test_every_readable_content_has_one_owner(rows: list[dict[str, Any]], shuffle: random.Random) -> None:
    originals: set[tuple[str, str]] = set()
    kept = []
    for record in rows:  # as in a catalogue: one row of a generator is the original of a content
        key = record["clip_id"], record["generator"]
        if record["status"] == "duplicate" or key not in originals:
            kept.append(record)
            originals |= {key} if record["status"] != "duplicate" else set()
    expected = counted(kept)
    shuffled = list(kept)
    shuffle.shuffle(shuffled)
    assert counted(shuffled) == expected

    def readable(record: dict[str, Any]) -> bool:
        return bool(record["status"] == "ok" or (record["status"] == "duplicate" and record["width"]))

    for content in {record["clip_id"] for record in kept if readable(record)}:
        holders = {record["generator"] for record in kept if record["clip_id"] == content and readable(record)}
        owner = [generator for clip_id, generator, _ in expected if clip_id == content]
        assert len(owner) == 1, (content, owner)
        assert owner[0] in holders
        assert owner[0] in REAL or not holders & REAL
