"""The manifests of reviews: what older versions wrote, and what a reader finds in them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.labelling.decisions import Decision
from hfv_builder.labelling.final_labels import standing, undone
from hfv_builder.labelling.reviews import OLDER, as_table, microseconds, read_reviews, when
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS, REVIEWS

README = Path(__file__).parents[2] / "manifests" / "README.md"


def older(number: int, reviewer: str, decision: str, label: int | None = None, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"decision_id": f"d{number}", "clip_id": "c", "reviewer": reviewer}
    row |= {"decision": decision, "label": label}
    row |= {"reason": None, "blind": False, "seconds": 2.0, "created_at": datetime.fromtimestamp(number, UTC)}
    return row | {"undone_by": None} | more


def test_an_older_manifest_is_read_without_loss(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path)
    rows = [
        older(1, "anna", "relabel", 2, blind=True),
        older(2, "anna", "confirm", 1, reason="the arm: left"),
        older(3, "ben", "reject", reason="watermark: lower left: small", undone_by="u1"),
        older(4, "ben", "reject", reason="broken", undone_by="u1"),
        older(5, "adjudicator:zoe", "confirm", 1),
        older(6, "chiara", "unsure"),
    ]
    manifests.replace(OLDER, [pa.Table.from_pylist(rows, schema=OLDER.schema)])
    # A part of today beside it.
    manifests.add(REVIEWS, as_table([Decision(**row_of_today)], overlap=2), name="more")
    found, overlap = read_reviews(manifests)
    assert overlap == 2
    told = [
        (each.decision_id, each.reviewer, each.role, each.label, each.reason, each.note, each.blind, each.final)
        for each in found
        if each.decision is not None
    ]
    assert told == [
        ("d1", "anna", "reviewer", 2, None, None, True, False),
        ("d2", "anna", "reviewer", 1, None, "the arm: left", False, True),
        ("d3", "ben", "reviewer", None, "watermark", "lower left: small", False, True),
        ("d4", "ben", "reviewer", None, "broken", None, False, True),
        ("d5", "zoe", "adjudicator", 1, None, None, False, True),
        ("d6", "chiara", "reviewer", None, None, None, False, True),
        ("d7", "dmitri", "reviewer", 0, None, None, False, True),
    ]
    undo = next(each for each in found if each.undoes)
    assert (undo.decision_id, undo.reviewer, undo.undoes) == ("u1", "ben", ("d3", "d4"))
    assert {each.reviewer for each in standing(found, undone(found))} == {"anna", "zoe", "chiara", "dmitri"}
    assert {each.seconds for each in found if each.decision} == {2.0}


row_of_today: dict[str, Any] = {"decision_id": "d7", "clip_id": "c", "reviewer": "dmitri", "decision": "confirm"}
row_of_today |= {"label": 0, "seconds": 2.0, "created_at": 7_000_000}


def test_every_id_that_an_undo_names_is_there() -> None:
    rows = as_table(
        [
            Decision(**row_of_today),
            Decision(**(row_of_today | {"decision_id": "u7", "decision": None, "final": False, "undoes": ("d7",)})),
        ]
    ).to_pylist()
    assert rows[0]["undoes"] is None
    assert {each for row in rows for each in row["undoes"] or ()} <= {row["decision_id"] for row in rows}


def test_the_query_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agreement by margin, as `manifests/README.md` works it out."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    manifests = Manifests(tmp_path / "manifests")
    clips = [f"{number:016x}" for number in range(6)]
    labels = [
        dict.fromkeys(LABELS.schema.names) | {"clip_id": clip, "auto_label": number % 3, "margin": number // 2 * 10}
        for number, clip in enumerate(clips)
    ]
    manifests.replace(LABELS, [pa.Table.from_pylist(labels, schema=LABELS.schema)], generator="kling")
    given: list[dict[str, Any]] = [
        {"clip_id": clips[0], "reviewer": "anna", "decision": "confirm", "label": 0},
        {"clip_id": clips[1], "reviewer": "anna", "decision": "confirm", "label": 1},
        {"clip_id": clips[1], "reviewer": "anna", "decision": "relabel", "label": 0},  # replaces the one before
        {"clip_id": clips[2], "reviewer": "anna", "decision": "confirm", "label": 2},
        # Taken back, not finished, unsure, an adjudicator's: none of these is a vote for or against.
        {"clip_id": clips[3], "reviewer": "anna", "decision": "relabel", "label": 2},
        {"clip_id": clips[3], "reviewer": "anna", "decision": None, "final": False, "undoes": ("d4",)},
        {"clip_id": clips[4], "reviewer": "anna", "decision": "relabel", "label": 0, "final": False},
        {"clip_id": clips[4], "reviewer": "ben", "decision": "unsure"},
        {"clip_id": clips[5], "reviewer": "ben", "decision": "reject", "reason": "broken"},
        {"clip_id": clips[5], "reviewer": "zoe", "role": "adjudicator", "decision": "confirm", "label": 2},
    ]
    made = [Decision(decision_id=f"d{number}", created_at=number, **row) for number, row in enumerate(given)]
    manifests.replace(REVIEWS, [as_table(made, overlap=1)])
    shown = re.search(r"\n    (with votes as .*?)\n\n", README.read_text(), re.DOTALL)
    assert shown is not None
    monkeypatch.chdir(tmp_path)
    assert duckdb.sql(shown[1]).fetchall() == [(0, 2, 0.5), (10, 1, 1.0), (20, 1, 0.0)]


@pytest.mark.parametrize("time", [-1_000_001, -1_000_000, -1, 0, 1, 999_999, 1_800_000_000_123_457, 2**52 - 1])
def test_times_come_back_to_the_microsecond(time: int) -> None:
    assert microseconds(when(time)) == time  # clocks that are wrong too: the order of decisions hangs on it
