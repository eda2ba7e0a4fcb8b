"""Intervals hold in simulations, and clips that sets share are drawn alike."""

import numpy as np
import pytest

from hfv_builder.evaluation import metrics
from hfv_builder.evaluation.bootstrap import Bootstrap, interval
from hfv_builder.evaluation.comparison import mcnemar, paired_difference


def test_every_draw_keeps_the_clips_of_a_class() -> None:
    strata = np.array([0, 1, 0, 1, 1, 0, 0])
    counts = Bootstrap(draws=50).counts(strata, [f"c{n}" for n in range(7)])
    assert counts.shape == (50, 7)
    assert (counts[:, strata == 0].sum(axis=1) == 4).all()
    assert (counts[:, strata == 1].sum(axis=1) == 3).all()
    assert len({tuple(row) for row in counts.tolist()}) > 30


def test_footage_of_two_sets_is_drawn_alike_in_any_order() -> None:
    bootstrap = Bootstrap(draws=20, seed=3)
    first = bootstrap.counts(np.array([3, 3, 3, 0]), ["r1", "r2", "r3", "f1"])
    second = bootstrap.counts(np.array([1, 3, 3, 3]), ["g1", "r3", "r1", "r2"])
    assert (first[:, [0, 1, 2]] == second[:, [2, 3, 1]]).all()
    assert not (first[:, :3] == Bootstrap(draws=20, seed=4).counts(np.array([3, 3, 3]), ["r1", "r2", "r3"])).all()


def test_the_interval_covers_the_true_value_in_95_percent_of_trials() -> None:
    rng = np.random.default_rng(0)
    inside, trials = 0, 300
    truth = np.repeat([0, 1], 60)
    expected = 0.7602  # P(N(1, 1) > N(0, 1))
    for trial in range(trials):
        score = rng.normal(size=120) + truth
        counts = Bootstrap(draws=100).counts(truth, [f"{trial}-{n}" for n in range(120)])
        low, high = interval(metrics.auc(truth == 1, score, counts))
        inside += low <= expected <= high
    assert 0.9 <= inside / trials <= 0.98


def test_a_figure_that_is_undefined_in_a_draw_has_no_interval() -> None:
    assert np.isnan(interval(np.array([0.5, np.nan]))).all()
    assert np.isnan(interval(np.array([]))).all()
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))


def test_mcnemar_of_known_answers() -> None:
    first, second = np.array([1, 1, 1, 1, 0, 1], bool), np.array([0, 0, 0, 1, 0, 0], bool)
    assert mcnemar(first, second) == pytest.approx(2 * 0.5**4)
    assert mcnemar(first, first) == 1.0
    assert mcnemar(first, second) == mcnemar(second, first)


def test_paired_differences_have_interval_and_p_value() -> None:
    equal = paired_difference(0.5, 0.5, np.array([0.4, 0.6]), np.array([0.4, 0.6]))
    assert (equal.value, equal.low, equal.high, equal.p) == (0, 0, 0, 1.0)
    better = paired_difference(0.9, 0.5, np.full(999, 0.9), np.linspace(0.4, 0.6, 999))
    assert better.low > 0
    assert better.p == pytest.approx(2 / 1000)
    assert np.isnan(paired_difference(np.nan, 0.5, np.array([np.nan]), np.array([0.5])).p)
