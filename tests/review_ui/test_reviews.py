"""Final labels against a brute-force reading of the rules, and agreement against published figures."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.agreement import agreement, alphas, interval, krippendorff_alpha, percents
from hfv_builder.reviews import ADDED, ADJUDICATOR, final_labels
from hfv_builder.schema import REVIEWS

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["anna", "ben", "chiara", ADJUDICATOR + "anna", ADJUDICATOR + "zoe"]


@st.composite
def decisions(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(["confirm", "relabel", "reject", "unsure"]))
        rows.append(
            {
                "decision_id": f"{number:04}",
                "clip_id": draw(st.sampled_from(["a", "b", "elsewhere"])),
                "reviewer": draw(st.sampled_from(NAMES)),
                "decision": kind,
                "label": draw(st.integers(0, 3)) if kind in ("confirm", "relabel") else None,
                "reason": None,
                "blind": False,
                "seconds": None,
                "created_at": BEGIN + timedelta(seconds=number),
                "undone_by": draw(st.sampled_from([None, None, None, "an undo"])),
            }
        )
    return rows


def by_hand(clip_id: str, auto: int | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rules, read one decision after another."""
    said: dict[str, Any] = {}
    order: dict[str, int] = {}
    for place, row in enumerate(rows):
        if row["clip_id"] == clip_id and row["undone_by"] is None:
            said[row["reviewer"]] = {"reject": "reject", "unsure": None}.get(row["decision"], row["label"])
            order[row["reviewer"]] = place
    judges = {name: given for name, given in said.items() if name.startswith(ADJUDICATOR) and given is not None}
    votes = [given for name, given in said.items() if not name.startswith(ADJUDICATOR) and given is not None]
    final: Any = None
    if judges:
        final = judges[max(judges, key=lambda name: order[name])]
    else:
        final = next((each for each in votes if votes.count(each) * 2 > len(votes)), None)
    return {
        "label": auto if final in (None, "reject") else final,
        "label_source": "auto" if final is None else "review",
        "rejected": final == "reject",
        "reviewers": len(votes),
        "disputed": len(set(votes)) > 1 and not judges,
        "adjudicated": bool(judges),
    }


@given(rows=decisions(), autos=st.tuples(*[st.none() | st.integers(0, 3)] * 2), seed=st.integers(0, 99))
def test_final_labels_are_those_of_the_rules(
    rows: list[dict[str, Any]], autos: tuple[int | None, int | None], seed: int
) -> None:
    labels = pd.DataFrame({"clip_id": ["a", "b"], "auto_label": pd.array(autos, "Int32"), "more": [1.5, 2.5]})
    reviews = pd.DataFrame(rows, columns=REVIEWS.schema.names)
    # The order of rows must not matter.
    found = final_labels(labels, reviews.sample(frac=1, random_state=seed))
    assert list(found.columns) == ["clip_id", "auto_label", "more", *ADDED]
    for record, auto in zip(found.to_dict("records"), autos, strict=True):
        wanted = by_hand(str(record["clip_id"]), auto, rows)
        got = {name: None if record[name] is pd.NA else record[name] for name in wanted}
        assert got == wanted


def test_no_reviews_leave_everything_automatic() -> None:
    labels = pd.DataFrame({"clip_id": ["a"], "auto_label": [2]})
    found = final_labels(labels, REVIEWS.schema.empty_table().to_pandas())
    assert found["label"].tolist() == [2]
    assert found["label_source"].tolist() == ["auto"]


CANONICAL = [  # Krippendorff 2011, section C: four observers, twelve units
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def canonical() -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([[sum(row[u] == value for row in CANONICAL) for value in range(1, 6)] for u in range(12)], np.int64)


def test_agreement_has_the_published_figures() -> None:
    found = agreement(canonical())
    assert found.clips == 11
    assert found.percent == pytest.approx(0.81818, abs=1e-5)
    assert found.alpha == pytest.approx(0.743, abs=5e-4)  # Krippendorff's own
    assert found.ac1 == pytest.approx(0.77544, abs=1e-5)  # Gwet's, Handbook of Inter-Rater Reliability
    assert found.alpha is not None
    assert found.alpha_low is not None
    assert found.alpha_high is not None
    assert found.alpha_low < found.alpha < found.alpha_high


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3).filter(lambda row: sum(row) > 1), min_size=2, max_size=12))
def test_alpha_for_the_interval_is_that_of_the_library(rows: list[tuple[int, int, int]]) -> None:
    counts = np.array(rows, np.int64)
    wanted = krippendorff_alpha(counts)
    got = float(alphas(counts, np.ones((1, len(counts))))[0])
    if wanted is None:
        assert math.isnan(got)
    else:
        assert got == pytest.approx(wanted)
        # A clip that counts twice is two clips.
        twice = np.full((1, len(counts)), 1.0)
        twice[0, 0] = 2
        again = krippendorff.alpha(value_counts=np.vstack([counts, counts[:1]]), level_of_measurement="nominal")
        assert float(alphas(counts, twice)[0]) == pytest.approx(float(again))


def test_nothing_to_agree_on() -> None:
    nobody = agreement(np.zeros((0, 5), np.int64))
    assert (nobody.clips, nobody.percent, nobody.alpha, nobody.ac1) == (0, None, None, None)
    same = agreement(np.array([[2, 0, 0, 0, 0]] * 3))
    assert (same.percent, same.alpha) == (1.0, None)


def test_interval_narrows_with_more_clips() -> None:
    few = interval(np.array([[2, 0], [1, 1], [0, 2], [2, 0]]), percents)
    many = interval(np.array([[2, 0], [1, 1], [0, 2], [2, 0]] * 50), percents)
    assert None not in few
    assert many[1] - many[0] < few[1] - few[0]  # type: ignore[operator]
