"""Estimates equal those of scikit-learn and scipy; intervals and p-values hold in simulations."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, spearmanr
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from hfv_builder.audit.estimates import area_estimate, area_under_curve, kappa, rank_correlation, share, strength
from hfv_builder.audit.finding import Estimate, Limits, Severity
from hfv_builder.audit.shortcuts import separate
from hfv_builder.audit.stability import changed_labels

SIMULATIONS = 500


def test_values_equal_those_of_scikit_learn_and_scipy() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(0, 2, 200), rng.integers(0, 20, 200).astype(float)
    value, _ = area_under_curve(scores[truth == 1], scores[truth == 0])
    assert value == pytest.approx(roc_auc_score(truth, scores))
    other = rng.normal(size=200)
    correlation = rank_correlation(scores, other)
    assert correlation is not None
    assert correlation.value == pytest.approx(spearmanr(scores, other).statistic)
    first, second = rng.integers(0, 3, (2, 300))
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (first, second), 1)
    agreement = kappa(confusion)
    assert agreement is not None
    assert agreement.value == pytest.approx(cohen_kappa_score(first, second))
    assert kappa(np.diag([5, 0, 0])) is None
    assert rank_correlation(np.ones(20), other[:20]) is None
    assert share(0, 0).value == 0


def is_covered(estimate: Estimate | None, truth: float) -> bool:
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def test_intervals_cover_the_truth_in_95_of_100_sets() -> None:
    rng = np.random.default_rng(1)
    area, correlation, shares, agreements = 0, 0, 0, 0
    # True values for two normals one apart, and for a bivariate normal with r = ½: 6/π asin(r/2).
    truth_area, rho = 0.7602, 0.4826
    confusion = np.array([[4, 1, 1], [1, 3, 1], [1, 1, 4]]) / 17
    chance = float(confusion.sum(axis=0) @ confusion.sum(axis=1))
    truth_kappa = (np.trace(confusion) - chance) / (1 - chance)
    for _ in range(SIMULATIONS):
        value, variance = area_under_curve(rng.normal(1, 1, 80), rng.normal(0, 1, 90))
        area += is_covered(area_estimate(value, variance, 80), truth_area)
        a, b = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 100).T
        correlation += is_covered(rank_correlation(a, b), rho)
        shares += is_covered(share(int(rng.binomial(150, 0.1)), 150), 0.1)
        agreements += is_covered(kappa(rng.multinomial(200, confusion.ravel()).reshape(3, 3)), truth_kappa)
    for count in (area, correlation, shares, agreements):
        assert 0.93 <= count / SIMULATIONS <= 0.97


def test_p_values_are_uniform_without_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "hfv_builder.audit.shortcuts._area", lambda values, classes, folds: (float(classes[:9].sum()), 0.1)
    )
    ps = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        classes = rng.integers(0, 2, 60)
        facts = pd.DataFrame({"fps": rng.normal(size=60)})
        found = separate(facts, classes, [*map(str, range(60))], seed=seed, permutations=99)
        assert found is not None
        assert found.p is not None
        ps.append(found.p)
    assert kstest(ps, "uniform").statistic < 0.3  # the p-values are coarse: ties count against an effect
    assert np.mean(np.array(ps) <= 0.05) <= 0.1


def test_facts_that_separate_nothing_or_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfv_builder.audit.shortcuts.TREES", 3)
    rng = np.random.default_rng(2)
    classes = np.repeat([0, 1], 100)
    groups = [*map(str, range(200))]
    nothing = separate(pd.DataFrame({"fps": [24.0] * 200}), classes, groups)
    assert nothing is not None
    assert (nothing.area.value, nothing.area.low) == (0.5, 0.5)
    everything = separate(pd.DataFrame({"codec": np.where(classes, "av1", "h264")}), classes, groups, permutations=19)
    assert everything is not None
    assert (everything.area.value, everything.p) == (1.0, 0.05)
    noise = separate(pd.DataFrame({"fps": rng.normal(size=200)}), classes, groups)
    assert noise is not None
    assert noise.area.low is not None
    assert noise.area.low < 0.5


def test_no_generator_is_on_both_sides_of_a_fold() -> None:
    """A fact that identifies the generator does not separate clips of an unknown generator."""
    rng = np.random.default_rng(3)
    generators = np.repeat([*range(6)], 60)
    classes = (generators % 2).astype(np.int64)
    facts = pd.DataFrame({"width": rng.permutation(6)[generators] * 100.0})
    by_clip = separate(facts, classes, [*map(str, range(360))])
    by_generator = separate(facts, classes, [*map(str, generators)])
    assert by_clip is not None
    assert by_generator is not None
    assert by_clip.area.value == 1
    assert by_generator.area.value < 0.9
    assert separate(facts, classes, ["one" if is_real else "other" for is_real in classes]) is None


def test_labels_with_a_clear_margin_do_not_change() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(300, 3))
    labels = scores.argsort(axis=0).argsort(axis=0).argmax(axis=1)
    together = np.zeros(300, np.int64)
    changed, by_clip = changed_labels(scores, labels, together, draws=50)
    assert 0 < changed.value < 0.2
    assert changed.low is not None
    assert changed.low <= changed.value
    ranks = np.sort(300 - scores.argsort(axis=0).argsort(axis=0), axis=1)
    clear = ranks[:, 1] - ranks[:, 0] > 60
    assert by_clip[clear].max() == 0
    assert by_clip[~clear].mean() > by_clip[clear].mean()


def test_clips_are_drawn_and_ranked_in_their_groups() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(300, 3))
    labels = scores.argsort(axis=0).argsort(axis=0).argmax(axis=1)
    together, apart = np.zeros(300, np.int64), np.repeat([0, 1], 300)
    changed, by_clip = changed_labels(scores, labels, together, draws=50)
    both, by_both = changed_labels(
        np.concatenate([scores, scores + np.array([9, 0, -9])]), np.tile(labels, 2), apart, draws=50
    )
    assert both == changed
    assert np.array_equal(by_both, np.tile(by_clip, 2))


def test_severity_is_judged_by_the_favourable_end_of_the_interval() -> None:
    rising, falling = Limits(note=0.1, warning=0.2, error=0.3), Limits(note=0.8, warning=0.6, error=0.4)
    assert rising.severity(Estimate(value=0.5, low=0.15, high=0.9)) is Severity.NOTE
    assert rising.severity(Estimate(value=0.5)) is Severity.ERROR
    assert falling.severity(Estimate(value=0.5, low=0.1, high=0.7)) is Severity.NOTE
    assert falling.severity(Estimate(value=0.9, low=0.85, high=0.95)) is Severity.OK
    magnitude = strength(Estimate(value=-0.1, low=-0.3, high=0.1))
    assert (magnitude.value, magnitude.low, magnitude.high) == (0.1, 0.0, 0.3)
    assert strength(Estimate(value=-0.6, low=-0.7, high=-0.5)).low == 0.5
