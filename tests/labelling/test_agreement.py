"""Agreement between reviewers equals published figures."""

from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.labelling.agreement import agreement, alphas, interval, percents

CANONICAL = [  # Krippendorff 2011, section C: four observers, twelve units
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def canonical() -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([[sum(row[u] == value for row in CANONICAL) for value in range(1, 6)] for u in range(12)], np.int64)


def test_agreement_has_the_published_figures() -> None:
    result = agreement(canonical())
    assert result.clips == 11
    assert result.percent == pytest.approx(0.81818, abs=1e-5)
    assert result.alpha == pytest.approx(0.743, abs=5e-4)  # Krippendorff's own
    assert result.ac1 == pytest.approx(0.77544, abs=1e-5)  # Gwet's, Handbook of Inter-Rater Reliability
    assert result.alpha is not None
    assert result.alpha_low is not None
    assert result.alpha_high is not None
    assert result.alpha_low < result.alpha < result.alpha_high


def library_alpha(counts: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3).filter(lambda row: sum(row) > 1), min_size=2, max_size=12))
def test_alpha_equals_that_of_the_library(rows: list[tuple[int, int, int]]) -> None:
    counts = np.array(rows, np.int64)
    alpha = agreement(counts).alpha
    if (counts.sum(axis=0) > 0).sum() < 2:
        assert alpha is None  # all answers are equal
    else:
        assert alpha == pytest.approx(library_alpha(counts))
        # A clip of weight two counts as two clips.
        weights = np.full((1, len(counts)), 1.0)
        weights[0, 0] = 2
        assert float(alphas(counts, weights)[0]) == pytest.approx(library_alpha(np.vstack([counts, counts[:1]])))


def test_agreement_without_disagreement_has_no_alpha() -> None:
    without_votes = agreement(np.zeros((0, 5), np.int64))
    assert (without_votes.clips, without_votes.percent, without_votes.alpha, without_votes.ac1) == (0, None, None, None)
    same = agreement(np.array([[2, 0, 0, 0, 0]] * 3))
    assert (same.percent, same.alpha) == (1.0, None)


def test_the_interval_narrows_with_more_clips() -> None:
    few = interval(np.array([[2, 0], [1, 1], [0, 2], [2, 0]]), percents)
    many = interval(np.array([[2, 0], [1, 1], [0, 2], [2, 0]] * 50), percents)
    assert None not in few
    assert many[1] - many[0] < few[1] - few[0]  # type: ignore[operator]
