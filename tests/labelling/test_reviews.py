"""Manifests of reviews: rows of older versions, undos, times, and the documented query."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.labelling.decisions import Decision
from hfv_builder.labelling.final_labels import standing, undone
from hfv_builder.labelling.reviews import OLDER, as_table, microseconds, read_reviews, when
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS, REVIEWS, Table

README = Path(__file__).parents[2] / "manifests" / "README.md"


def older_row(index: int, reviewer: str, decision: str, label: int | None = None, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"decision_id": f"d{index}", "clip_id": "c", "reviewer": reviewer}
    row |= {"decision": decision, "label": label}
    row |= {"reason": None, "blind": False, "seconds": 2.0, "created_at": datetime.fromtimestamp(index, UTC)}
    return row | {"undone_by": None} | changes


def test_an_older_manifest_is_read_without_loss(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path)
    rows = [
        older_row(1, "anna", "relabel", 2, blind=True),
        older_row(2, "anna", "confirm", 1, reason="the arm: left"),
        older_row(3, "ben", "reject", reason="watermark: lower left: small", undone_by="u1"),
        older_row(4, "ben", "reject", reason="broken", undone_by="u1"),
        older_row(5, "adjudicator:zoe", "confirm", 1),
        older_row(6, "chiara", "unsure"),
    ]
    manifests.replace(OLDER, [pa.Table.from_pylist(rows, schema=OLDER.schema)])
    # A part of the present schema beside it.
    manifests.add(REVIEWS, as_table([Decision(**present_row)], overlap=2), name="more")
    decisions, overlap = read_reviews(manifests)
    assert overlap == 2
    answers = [
        (
            decision.decision_id,
            decision.reviewer,
            decision.role,
            decision.label,
            decision.reason,
            decision.note,
            decision.blind,
            decision.final,
        )
        for decision in decisions
        if decision.decision is not None
    ]
    assert answers == [
        ("d1", "anna", "reviewer", 2, None, None, True, False),
        ("d2", "anna", "reviewer", 1, None, "the arm: left", False, True),
        ("d3", "ben", "reviewer", None, "watermark", "lower left: small", False, True),
        ("d4", "ben", "reviewer", None, "broken", None, False, True),
        ("d5", "zoe", "adjudicator", 1, None, None, False, True),
        ("d6", "chiara", "reviewer", None, None, None, False, True),
        ("d7", "dmitri", "reviewer", 0, None, None, False, True),
    ]
    undo = next(decision for decision in decisions if decision.undoes)
    assert (undo.decision_id, undo.reviewer, undo.undoes) == ("u1", "ben", ("d3", "d4"))
    assert {decision.reviewer for decision in standing(decisions, undone(decisions))} == {
        "anna",
        "zoe",
        "chiara",
        "dmitri",
    }
    assert {decision.seconds for decision in decisions if decision.decision} == {2.0}


present_row: dict[str, Any] = {"decision_id": "d7", "clip_id": "c", "reviewer": "dmitri", "decision": "confirm"}
present_row |= {"label": 0, "seconds": 2.0, "created_at": 7_000_000}


def test_undos_name_existing_decisions() -> None:
    rows = as_table(
        [
            Decision(**present_row),
            Decision(**(present_row | {"decision_id": "u7", "decision": None, "final": False, "undoes": ("d7",)})),
        ]
    ).to_pylist()
    assert rows[0]["undoes"] is None
    assert {decision_id for row in rows for decision_id in row["undoes"] or ()} <= {row["decision_id"] for row in rows}


def test_the_query_of_the_readme_gives_agreement_by_margin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The query in `manifests/README.md` gives agreement by margin."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    manifests = Manifests(tmp_path / "manifests")
    clips = [f"{index:016x}" for index in range(6)]
    labels = [
        dict.fromkeys(LABELS.schema.names) | {"clip_id": clip, "auto_label": index % 3, "margin": index // 2 * 10}
        for index, clip in enumerate(clips)
    ]
    manifests.replace(LABELS, [pa.Table.from_pylist(labels, schema=LABELS.schema)], generator="kling")
    fields: list[dict[str, Any]] = [
        {"clip_id": clips[0], "reviewer": "anna", "decision": "confirm", "label": 0},
        {"clip_id": clips[1], "reviewer": "anna", "decision": "confirm", "label": 1},
        {"clip_id": clips[1], "reviewer": "anna", "decision": "relabel", "label": 0},  # replaces the answer before
        {"clip_id": clips[2], "reviewer": "anna", "decision": "confirm", "label": 2},
        # Undone, not final, unsure, or by an adjudicator: none of these is a vote.
        {"clip_id": clips[3], "reviewer": "anna", "decision": "relabel", "label": 2},
        {"clip_id": clips[3], "reviewer": "anna", "decision": None, "final": False, "undoes": ("d4",)},
        {"clip_id": clips[4], "reviewer": "anna", "decision": "relabel", "label": 0, "final": False},
        {"clip_id": clips[4], "reviewer": "ben", "decision": "unsure"},
        {"clip_id": clips[5], "reviewer": "ben", "decision": "reject", "reason": "broken"},
        {"clip_id": clips[5], "reviewer": "zoe", "role": "adjudicator", "decision": "confirm", "label": 2},
    ]
    decisions = [Decision(decision_id=f"d{index}", created_at=index, **row) for index, row in enumerate(fields)]
    manifests.replace(REVIEWS, [as_table(decisions, overlap=1)])
    query = re.search(r"\n    (with votes as .*?)\n\n", README.read_text(), re.DOTALL)
    assert query is not None
    monkeypatch.chdir(tmp_path)
    assert duckdb.sql(query[1]).fetchall() == [(0, 2, 0.5), (10, 1, 1.0), (20, 1, 0.0)]


@pytest.mark.parametrize("time", [-1_000_001, -1_000_000, -1, 0, 1, 999_999, 1_800_000_000_123_457, 2**52 - 1])
def test_times_are_restored_to_the_microsecond(time: int) -> None:
    assert microseconds(when(time)) == time  # also of wrong clocks, since times order the decisions


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"created_at": None}, "without created_at"),
        ({"clip_id": None}, "without clip_id"),
        ({"label": 99}, "with label 99"),
        ({"decision": "zap"}, "with decision 'zap'"),
        ({"seconds": float("nan")}, "with seconds that is no number"),
    ],
)
@pytest.mark.parametrize("table", [REVIEWS, OLDER])
def test_a_manifest_with_impossible_values_is_named(
    tmp_path: Path, table: Table, change: dict[str, Any], fault: str
) -> None:
    row = dict.fromkeys(table.schema.names) | older_row(1, "anna", "relabel", 2) | change
    manifests = Manifests(tmp_path)
    manifests.replace(table, [pa.Table.from_pylist([row], schema=table.schema)])
    with pytest.raises(UsageError, match=rf"part-\w+.parquet has decisions {fault}: restore it"):
        read_reviews(manifests)


def test_a_manifest_with_a_box_outside_the_clip_is_named(tmp_path: Path) -> None:
    row = dict.fromkeys(REVIEWS.schema.names) | older_row(1, "anna", "relabel", 2)
    manifests = Manifests(tmp_path)
    for sides, fault in (((-1, 0, 5, 5), "x is below 0"), ((0, 0, 5, 0), "h is below 1")):
        box = dict(zip("xywh", sides, strict=True))
        manifests.replace(REVIEWS, [pa.Table.from_pylist([row | {"box": box}], schema=REVIEWS.schema)])
        with pytest.raises(UsageError, match=f"has decisions with a box whose {fault}"):
            read_reviews(manifests)
