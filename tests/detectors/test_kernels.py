"""Support vector machines and forests as arrays equal scikit-learn's; votes equal an enumeration."""

from itertools import pairwise, product

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from hfv_builder.detectors import forest, kernels
from hfv_builder.detectors.frame_machine import KERNELS, fit_frames, machine_arrays, machine_of, unit, vote_frames
from hfv_builder.detectors.frames import even_places
from hfv_builder.detectors.votes import vote


def clips(classes: int, *, seed: int = 0, count: int = 60) -> tuple[list[np.ndarray], np.ndarray]:
    """Return vectors of the frames of clips with overlapping classes, float16, and the labels of the clips."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), rng.integers(0, classes, count - classes)]
    centres = rng.normal(size=(classes, 12))
    vectors = [rng.normal(size=(int(rng.integers(1, 8)), 12)) + centres[label] for label in labels]
    return [(v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float16) for v in vectors], labels


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("classes", [2, 4])
def test_frames_and_votes_equal_scikit_learn(kernel: kernels.Kernel, classes: int) -> None:
    train, labels = clips(classes)
    test, _ = clips(classes, seed=1)
    machine = fit_frames(kernel, train, labels, classes, c=1, seed=0, exact=10_000)
    votes_of_clips = vote_frames(machine_of(machine_arrays(machine)), test)

    x = np.concatenate([unit(v) for v in train]).astype(np.float64)
    y = np.repeat(labels, [len(v) for v in train])
    svm = SVC(C=1, kernel=kernel, gamma="scale", class_weight="balanced").fit(x, y)
    for probabilities, frames in zip(votes_of_clips, test, strict=True):
        decisions = svm.decision_function(unit(frames).astype(np.float64))
        if classes == 2:
            decisions = np.column_stack([-decisions, decisions])
        np.testing.assert_allclose(machine.decisions(unit(frames)), decisions, atol=1e-9)
        votes = np.bincount(decisions.argmax(axis=1), minlength=classes)
        mean = np.exp(decisions.mean(axis=0))
        np.testing.assert_allclose(probabilities, (votes + mean / mean.sum()) / (len(frames) + 1), atol=1e-9)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_approximation_agrees_with_the_exact_machine(kernel: kernels.Kernel) -> None:
    train, labels = clips(3, count=100)
    x, y = np.concatenate([unit(v) for v in train]), np.repeat(labels, [len(v) for v in train])
    test = np.concatenate([unit(v) for v in clips(3, seed=0, count=140)[0][100:]])
    exact, approximate = (kernels.fit(kernel, x, y, 3, exact=limit).decisions(test) for limit in (10_000, 50))
    assert (exact.argmax(axis=1) == approximate.argmax(axis=1)).mean() > 0.96
    assert min(np.corrcoef(exact[:, label], approximate[:, label])[0, 1] for label in range(3)) > 0.93


def test_equal_vectors_have_finite_probabilities() -> None:
    same = [np.ones((1, 4), np.float16)] * 4
    probabilities = vote_frames(fit_frames("rbf", same, np.array([0, 1, 0, 1]), 2, c=1, seed=0, exact=100), same)
    assert np.isfinite(probabilities).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_votes_of_all_combinations_of_classes(frames: int) -> None:
    """All combinations of three classes are tried, with decisions that favour class 1 in ties."""
    for chosen in product(range(3), repeat=frames):
        decisions = np.full((frames, 3), -1.0)
        decisions[range(frames), chosen] = [2.0 if label == 1 else 1.0 for label in chosen]
        probabilities = vote(decisions)
        counts = [chosen.count(label) for label in range(3)]
        most = [label for label in range(3) if counts[label] == max(counts)]
        expected = most[0] if len(most) == 1 or 1 not in most else 1
        assert probabilities.argmax() == expected, chosen
        assert probabilities.sum() == pytest.approx(1)
        order = np.argsort(counts, kind="stable")
        assert all(probabilities[a] <= probabilities[b] or counts[a] == counts[b] for a, b in pairwise(order))


def test_a_tie_goes_to_the_larger_mean_decision() -> None:
    decisions = np.array([[3.0, 0.0], [0.0, 1.0]])
    assert vote(decisions).argmax() == 0
    assert vote(decisions[:, ::-1]).argmax() == 1
    assert vote(np.array([[1.0, 0.0], [0.0, 1.0]])).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("total", "count"), [(1, 16), (16, 16), (17, 16), (100, 16), (36, 1), (5, 2)])
def test_even_places_are_distinct_and_reach_both_ends(total: int, count: int) -> None:
    places = even_places(total, count)
    assert len(places) == min(total, count)
    assert len(set(places.tolist())) == len(places)
    assert places[0] == 0
    if count > 1:
        assert places[-1] == total - 1
        assert np.ptp(np.diff(places)) <= 1 if len(places) > 1 else True


def test_a_forest_as_arrays_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 5)).round(1)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.r_[0, 1, 2, rng.integers(0, 3, 77)]
    trained = forest.fit(x, y, seed=4)
    imputed = np.where(np.isnan(x), forest.UNKNOWN, x)
    model = RandomForestClassifier(
        n_estimators=forest.TREES, min_samples_leaf=forest.LEAF, class_weight="balanced", random_state=4
    ).fit(imputed, y)
    np.testing.assert_allclose(trained.probabilities(x), model.predict_proba(imputed), atol=1e-12)
    restored = forest.Forest(**trained.arrays())
    assert (restored.probabilities(x) == trained.probabilities(x)).all()
