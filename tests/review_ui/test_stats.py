"""The dashboard's figures, on decisions few enough to be worked out by hand."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hfv_builder.labelling.decisions import Decision
from hfv_builder.records import Label
from hfv_builder.storage.manifest import Manifests
from review_ui import quality
from review_ui.board import Board
from review_ui.clips import Clips
from review_ui.filter import Filter
from review_ui.people import hourly, sittings
from review_ui.settings import REVISIT, Settings
from review_ui.shares import difference, share_of, wilson
from review_ui.stats import statistics

NOW = 10_000.0
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def clips(sample: Manifests) -> Clips:
    return Clips(sample)


def said(clips: Clips, row: int, reviewer: str, label: int | None, **more: Any) -> Decision:
    """A decision; None rejects. Ten seconds between each and the next."""
    number = next(numbers)
    kind = "reject" if label is None else "confirm" if label == clips.auto_label[row] else "relabel"
    fields: dict[str, Any] = {"decision": kind, "label": label, "seconds": 4.0}
    fields |= {"created_at": number * 10_000_000, "queue": "labels", "final": True} | more
    return Decision(decision_id=f"d{number:04}", clip_id=clips.ids[row], reviewer=reviewer, **fields)


def figures(clips: Clips, decisions: list[Decision], **settings: Any) -> dict[str, Any]:
    return statistics(clips, decisions, Settings(**settings), NOW)


def auto(clips: Clips, row: int) -> int:
    return int(clips.auto_label[row])


def other(clips: Clips, row: int) -> int:
    return (auto(clips, row) + 1) % 3


def test_first_answers_blind_against_shown(clips: Clips) -> None:
    decisions = []
    for row in range(4):  # blind: three of four say what the pipeline says; the fourth is talked round
        first = other(clips, row) if row == 3 else auto(clips, row)
        decisions.append(said(clips, row, "anna", first, blind=True, final=False))
        decisions.append(said(clips, row, "anna", auto(clips, row)))
    decisions += [said(clips, row, "ben", auto(clips, row)) for row in (4, 5)]
    found = figures(clips, decisions)
    assert (found["pull"]["blind"]["clips"], found["pull"]["blind"]["same"]) == (4, 0.75)
    assert (found["pull"]["shown"]["clips"], found["pull"]["shown"]["same"]) == (2, 1.0)
    anna, ben = found["reviewers"]
    assert (anna["name"], anna["clips"], anna["changed"]["share"], anna["seconds"]) == ("anna", 4, 0.25, 8.0)
    assert (ben["name"], ben["clips"], ben["changed"]["share"], ben["seconds"]) == ("ben", 2, None, 4.0)
    assert (found["done"], found["total"]) == (6, 10)
    assert found["seconds"]["median"] == 8.0
    assert sum(found["seconds"]["counts"]) == 6


def test_automatic_against_final_labels_and_by_margin(clips: Clips) -> None:
    rows = [row for row in range(len(clips)) if clips.margin[row] >= 0]
    upheld, wrong, rejected = rows[0], rows[1], rows[2]
    found = figures(
        clips,
        [
            said(clips, upheld, "anna", auto(clips, upheld)),
            said(clips, wrong, "anna", other(clips, wrong)),
            said(clips, rejected, "anna", None),
        ],
    )
    wanted = [[0] * 5 for _ in Label]
    wanted[auto(clips, upheld)][auto(clips, upheld)] += 1
    wanted[auto(clips, wrong)][other(clips, wrong)] += 1
    wanted[auto(clips, rejected)][4] += 1
    assert found["confusion"][""] == wanted
    assert found["confusion"]["alpha"] == wanted
    assert "beta" not in found["confusion"]
    assert found["rejected"] == 1
    bins = found["margins"]
    assert all(before["high"] < after["low"] for before, after in itertools.pairwise(bins))
    assert [sorted({m for m in clips.margin[rows] if part["low"] <= m <= part["high"]})[0] for part in bins] == [
        part["low"] for part in bins
    ]
    assert sum(part["ranked"] for part in bins) == len(rows)
    assert sum(part["clips"] for part in bins) == 3
    assert sum(part["upheld"] * part["clips"] for part in bins if part["clips"]) == pytest.approx(1)
    alpha, beta = found["generators"]
    assert (alpha["generator"], alpha["clips"], sum(alpha["labels"].values())) == ("alpha", 8, 8)
    assert alpha["upheld"] == share_of(1, 3)
    assert alpha["rejected"] == share_of(1, 3)
    assert (beta["clips"], beta["upheld"]["n"], beta["upheld"]["share"]) == (2, 0, None)


def test_agreement_with_others_with_the_final_label_and_with_oneself(clips: Clips) -> None:
    decisions = [said(clips, row, "anna", 0) for row in range(4)]
    decisions += [said(clips, row, "ben", 0 if row < 3 else 1) for row in range(4)]
    decisions += [said(clips, 3, "zoe", 1, role="adjudicator")]
    decisions += [said(clips, 0, "anna", 0, queue="repeats"), said(clips, 1, "anna", 2, queue="repeats")]
    decisions += [said(clips, 1, "anna", 0)]
    found = figures(clips, decisions, overlap=2)
    low, high = wilson(3, 4)
    assert found["pairs"] == [{"a": "anna", "b": "ben", "clips": 4, "percent": 0.75, "from": low, "to": high}]
    standing = found["agreement"]["standing"]
    assert (standing["clips"], standing["percent"]) == (4, 0.75)
    # Krippendorff's α of eight answers, seven of them 0, one pair apart: 1 − (2/8) / (2·7·1 / (8·7)).
    assert standing["alpha"] == pytest.approx(1 - (2 / 8) / (2 * 7 * 1 / (8 * 7)))
    # Gwet's AC1 over the five answers: chance is Σ π(1 − π) / (5 − 1).
    chance = 2 * (7 / 8) * (1 / 8) / 4
    assert standing["ac1"] == pytest.approx((0.75 - chance) / (1 - chance))
    assert found["agreement"]["blind"]["clips"] == 0
    people = {row["name"]: row for row in found["reviewers"]}
    assert people["anna"]["with_self"] == share_of(1, 3)
    # Anna's seven answers on settled clips: all 0 but one that was 2, and the last clip is 1 in the end.
    assert people["anna"]["with_final"] == share_of(5, 7)
    assert people["ben"]["with_final"] == share_of(4, 4)
    assert (found["done"], found["disputed"]) == (4, 0)


def test_what_was_undone_counts_nowhere(clips: Clips) -> None:
    decisions = [said(clips, row, "anna", auto(clips, row)) for row in range(3)]
    undoes = tuple(decision.decision_id for decision in decisions[1:])
    undo = said(clips, 1, "anna", None, decision=None, final=False, undoes=undoes)
    found = figures(clips, [*decisions, undo])
    assert (found["done"], found["reviewers"][0]["clips"]) == (1, 1)


def test_pauses_are_no_work(clips: Clips) -> None:
    assert hourly([100.0, 110.0, 120.0, 1000.0, 1010.0], 1020.0) == pytest.approx(360)
    assert hourly([5.0], 10.0) is None
    # Nothing in the last hour: what was done before it.
    assert hourly([0.0, 20.0, 40.0], 99_999.0) == pytest.approx(180)


def test_a_first_answer_that_was_never_kept_counts_nowhere(clips: Clips) -> None:
    first = said(clips, 0, "anna", 0, blind=True, final=False)
    again = said(clips, 0, "anna", 1, blind=True, final=False)
    kept = said(clips, 0, "anna", 2)
    left = said(clips, 1, "ben", 2, blind=True, final=False)
    made = [first, again, kept, left]
    assert [each.answers for each in sittings(made, clips)] == [[again, kept]]
    found = figures(clips, made)
    assert [row["name"] for row in found["reviewers"]] == ["anna"]
    assert (found["done"], found["pull"]["blind"]["clips"]) == (1, 1)


def test_disputes_are_those_of_the_queue(clips: Clips) -> None:
    board = Board(clips, Settings(overlap=2))
    rows = [int(row) for row in board.view("labels", Filter())[:5]]
    made = [said(clips, rows[0], "anna", 0), said(clips, rows[0], "ben", 1)]
    made += [said(clips, rows[1], "anna", 0), said(clips, rows[1], "ben", None, decision="unsure")]
    made += [said(clips, rows[2], "anna", None, decision="unsure")]
    made += [said(clips, rows[3], "anna", 1, final=False, blind=True), said(clips, rows[3], "ben", 2)]
    made += [said(clips, rows[4], "anna", 1), said(clips, rows[4], "ben", 2)]
    made += [said(clips, rows[4], "zoe", 2, role="adjudicator")]
    for decision in made:
        board.apply(decision)
    assert board.disputed(Filter()) == sorted(rows[:3])
    assert figures(clips, made, overlap=2)["disputed"] == 3


def test_intervals_of_shares() -> None:
    assert list(wilson(8, 10)) == pytest.approx([0.4902, 0.9433], abs=1e-4)
    assert wilson(0, 0) == (None, None)
    assert {wilson(n, n)[1] for n in range(1, 100)} == {1.0}
    assert {wilson(0, n)[0] for n in range(1, 100)} == {0.0}


def test_a_difference_of_shares_has_an_interval() -> None:
    # Newcombe 1998, table II, case (a) of method 10: 56/70 against 48/80.
    gap = difference(share_of(48, 80), share_of(56, 70))
    assert [gap["points"], gap["from"], gap["to"]] == pytest.approx([0.2, 0.0524, 0.3339], abs=1e-4)
    wide = difference(share_of(2, 4), share_of(2, 4))
    assert wide["points"] == 0
    assert wide["to"] == -wide["from"] > 0.4  # type: ignore[operator]
    assert difference(share_of(0, 0), share_of(1, 2))["points"] is None


@pytest.mark.parametrize("margins", [[0] * 50, [0] * 45 + [1, 2, 3, 9, 9], list(range(50)), [0, 5], [3]])
def test_bins_of_margins_never_overlap_and_hold_all_clips(clips: Clips, margins: list[int]) -> None:
    stand_in = SimpleNamespace(margin=np.array(margins), auto_label=np.zeros(len(margins), int))
    final = pd.DataFrame({"label_source": ["review"] * len(margins), "label": 0, "rejected": [False] * len(margins)})
    bins = quality.margins(stand_in, final)  # type: ignore[arg-type]
    assert all(one["low"] <= one["high"] for one in bins)
    assert all(before["high"] < after["low"] for before, after in itertools.pairwise(bins))
    assert sum(one["ranked"] for one in bins) == sum(one["clips"] for one in bins) == len(margins)
    assert len(bins) <= min(10, len(set(margins)))
    assert len(bins) > 1 or len(set(margins)) == 1


def test_looking_again_is_no_repeat_and_no_first_answer(clips: Clips) -> None:
    made = [said(clips, 0, "anna", other(clips, 0)), said(clips, 0, "anna", auto(clips, 0), queue=REVISIT)]
    found = figures(clips, made)
    assert found["reviewers"][0]["with_self"]["n"] == 0
    assert found["pull"]["shown"] == {"clips": 1, "same": 0.0} | dict(zip(("from", "to"), wilson(0, 1), strict=True))
    assert found["confusion"][""][auto(clips, 0)][auto(clips, 0)] == 1


def test_a_repeat_is_no_blind_first_answer(clips: Clips) -> None:
    made = []
    for reviewer in ("anna", "ben"):
        made += [said(clips, 0, reviewer, other(clips, 0), blind=True, final=False), said(clips, 0, reviewer, 2)]
    made += [said(clips, 0, "anna", auto(clips, 0), blind=True, final=False, queue="repeats")]
    made += [said(clips, 0, "anna", auto(clips, 0), queue="repeats")]
    found = figures(clips, made)
    assert (found["pull"]["blind"]["clips"], found["pull"]["blind"]["same"]) == (2, 0.0)
    assert found["agreement"]["blind"]["percent"] == 1.0


def test_an_answer_that_became_unsure_agrees_with_nobody(clips: Clips) -> None:
    made = [said(clips, row, name, 0) for row in (0, 1) for name in ("anna", "ben")]
    made += [said(clips, 0, "anna", None, decision="unsure", queue=REVISIT)]
    assert [pair["clips"] for pair in figures(clips, made)["pairs"]] == [1]


def test_the_time_left_is_that_of_the_missing_votes(clips: Clips) -> None:
    made = [said(clips, row, "anna", auto(clips, row)) for row in range(4)]
    found = figures(clips, made, overlap=2)
    assert found["hours_left"] == pytest.approx((2 * found["total"] - 4) / found["per_hour"])
