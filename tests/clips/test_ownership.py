"""Who owns a content: one generator, footage before fakes, and the same whatever the order of rows."""

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
    where = f"/{generator}/{path}"
    values = (clip_id, generator, generator in REAL, where, None if status == "failed" else width, status)
    return dict(zip(HOLDER, values, strict=True))


def counted(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    table = pa.Table.from_pylist(rows, SCHEMA)
    found = counted_rows(table, lost_rows(table)).to_pylist()
    return sorted((each["clip_id"], each["generator"], each["path"]) for each in found)


def owners(rows: list[dict[str, Any]]) -> dict[str, str]:
    found = counted(rows)
    assert len({clip_id for clip_id, _, _ in found}) == len(found)
    return {clip_id: generator for clip_id, generator, _ in found}


def test_footage_owns_what_a_fake_generator_holds() -> None:
    rows = [row("x", "kling"), row("x", "camera"), row("x", "aaa", "duplicate"), row("y", "kling")]
    assert owners(rows) == {"x": "camera", "y": "kling"}
    lost = lost_rows(pa.Table.from_pylist(rows, SCHEMA))
    assert lost.schema == LOST
    assert [(each["generator"], each["is_footage"]) for each in lost.to_pylist()] == [("aaa", True), ("kling", True)]
    assert {each["owner_path"] for each in lost.to_pylist()} == {"/camera/a"}


def test_between_equals_the_one_that_stood_for_it_and_then_the_first_by_name() -> None:
    assert owners([row("x", "pika"), row("x", "kling")]) == {"x": "kling"}
    assert owners([row("x", "pika"), row("x", "kling", "duplicate")]) == {"x": "pika"}
    assert owners([row("x", "k400"), row("x", "camera", "duplicate")]) == {"x": "k400"}


def test_a_copy_stands_in_for_an_owner_that_is_gone() -> None:
    rows = [row("x", "pika", "duplicate", "b"), row("x", "pika", "duplicate", "a"), row("x", "sora", "duplicate")]
    assert counted(rows) == [("x", "pika", "/pika/a")]
    table = pa.Table.from_pylist(rows, SCHEMA)
    assert counted_rows(table, lost_rows(table))["status"].to_pylist() == ["ok"]


def test_what_cannot_be_read_owns_nothing_and_is_nobodys_copy() -> None:
    assert counted([row("x", "kling", "failed"), row("x", "pika", "failed")]) == [
        ("x", "kling", "/kling/a"),
        ("x", "pika", "/pika/a"),
    ]
    assert owners([row("x", "camera", "failed"), row("x", "pika")]) == {"x": "pika"}
    no_content = row("x", "kling", "failed") | {"clip_id": None}
    assert counted([no_content, no_content]) == []


def test_copies_inside_a_generator_count_once() -> None:
    assert owners([row("x", "kling"), row("x", "kling", "duplicate", "b")]) == {"x": "kling"}


def test_no_rows() -> None:
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
    unique_by=lambda each: (each["clip_id"], each["generator"], each["path"]),
)


@given(ROWS, st.randoms(use_true_random=False))
def test_one_owner_for_every_readable_content(rows: list[dict[str, Any]], shuffle: random.Random) -> None:
    standing: set[tuple[str, str]] = set()
    kept = []
    for each in rows:  # as a catalogue is: one row of a generator stands for its content
        key = each["clip_id"], each["generator"]
        if each["status"] == "duplicate" or key not in standing:
            kept.append(each)
            standing |= {key} if each["status"] != "duplicate" else set()
    found = counted(kept)
    mixed = list(kept)
    shuffle.shuffle(mixed)
    assert counted(mixed) == found

    def readable(each: dict[str, Any]) -> bool:
        return bool(each["status"] == "ok" or (each["status"] == "duplicate" and each["width"]))

    for content in {each["clip_id"] for each in kept if readable(each)}:
        holders = {each["generator"] for each in kept if each["clip_id"] == content and readable(each)}
        owner = [generator for clip_id, generator, _ in found if clip_id == content]
        assert len(owner) == 1, (content, owner)
        assert owner[0] in holders
        assert owner[0] in REAL or not holders & REAL
