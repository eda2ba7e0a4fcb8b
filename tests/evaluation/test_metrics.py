"""Figures of small cases are exact, and those of random clips equal scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from hfv_builder.evaluation import metrics
from hfv_builder.evaluation.calibration import reliability

ONCE = metrics.once(4)


def test_auc_counts_ties_half() -> None:
    positive = np.array([True, True, False, False])
    assert metrics.auc(positive, np.array([0.9, 0.4, 0.5, 0.1]), ONCE)[0] == 0.75
    assert metrics.auc(positive, np.array([0.5, 0.5, 0.5, 0.1]), ONCE)[0] == 0.75  # two ties count half each
    assert metrics.auc(positive, np.full(4, 0.3), ONCE)[0] == 0.5


def test_counts_are_numbers_of_copies_of_clips() -> None:
    positive, score = np.array([True, False, False]), np.array([0.5, 0.4, 0.6])
    counts = np.array([[1.0, 3, 1], [2, 0, 5], [0, 1, 1]])
    assert metrics.auc(positive, score, counts)[:2].tolist() == [0.75, 0.0]
    assert np.isnan(metrics.auc(positive, score, counts)[2])  # no positive clip is drawn
    truth, predicted = np.array([0, 1, 1]), np.array([0, 0, 1])
    matrices = metrics.confusion(truth, predicted, 2, counts)
    assert matrices[0].tolist() == [[1, 0], [3, 1]]
    assert metrics.accuracy(matrices).tolist() == [2 / 5, 1.0, 0.5]


@pytest.mark.parametrize("clips", [0, 3])
def test_a_single_class_has_no_auc(clips: int) -> None:
    assert np.isnan(metrics.auc(np.ones(clips, bool), np.arange(clips, dtype=float), metrics.once(clips)))[0]


def test_a_missing_class_leaves_the_macro_auc_undefined() -> None:
    probabilities = np.eye(4)[[0, 1, 2, 0]] * 0.9 + 0.025
    assert np.isnan(metrics.macro_auc(np.array([0, 1, 2, 0]), probabilities, ONCE))[0]
    assert metrics.macro_auc(np.array([0, 1, 2, 0]), probabilities[:, :3], ONCE)[0] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clips = 10 if seed == 0 else int(rng.integers(11, 200))
    truth = np.r_[0, 1, 2, 3, rng.integers(0, 4, clips - 4)]
    probabilities = rng.dirichlet(np.ones(4), clips).round(1 if seed % 2 else 6) + 1e-3  # rounded: many ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    once = metrics.once(clips)
    matrix = metrics.confusion(truth, predicted, 4, once)
    assert matrix[0].tolist() == oracle.confusion_matrix(truth, predicted, labels=range(4)).tolist()
    assert metrics.accuracy(matrix)[0] == pytest.approx(oracle.accuracy_score(truth, predicted), abs=1e-12)
    assert metrics.macro_f1(matrix)[0] == pytest.approx(oracle.f1_score(truth, predicted, average="macro"), abs=1e-12)
    expected = oracle.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    assert metrics.macro_auc(truth, probabilities, once)[0] == pytest.approx(expected, abs=1e-12)
    is_real, p_real = truth == 3, probabilities[:, 3]
    weights = rng.integers(0, 4, clips).astype(float)
    weights[[0, 3]] = 1
    weighted = oracle.roc_auc_score(is_real, p_real, sample_weight=weights)
    assert metrics.auc(is_real, p_real, weights[None])[0] == pytest.approx(weighted, abs=1e-12)
    rates = oracle.roc_curve(is_real, p_real, drop_intermediate=False)
    for rates_of_axis, other in zip(metrics.roc(is_real, p_real), rates, strict=False):
        np.testing.assert_allclose(rates_of_axis, other, atol=1e-12)


def test_f1_counts_a_class_that_is_only_predicted() -> None:
    truth, predicted = np.array([0, 0, 1]), np.array([0, 2, 1])
    value = metrics.macro_f1(metrics.confusion(truth, predicted, 4, metrics.once(3)))[0]
    assert value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert value == pytest.approx(oracle.f1_score(truth, predicted, average="macro", zero_division=0.0))


def test_calibration_of_known_probabilities() -> None:
    bins = reliability(np.array([True, False, True, True]), np.array([0.1, 0.1, 0.9, 1.0]), bins=2)
    assert bins.clips.tolist() == [2, 2]
    assert bins.stated.tolist() == pytest.approx([0.1, 0.95])
    assert bins.observed.tolist() == [0.5, 1.0]
    assert bins.ece == pytest.approx(0.5 * 0.4 + 0.5 * 0.05)
    assert np.isnan(reliability(np.zeros(0, bool), np.zeros(0)).ece)
