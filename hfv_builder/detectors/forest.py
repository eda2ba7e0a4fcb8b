"""A random forest over a few facts of a clip, stored as arrays (Breiman, Machine Learning 2001).

A forest is used instead of gradient boosting on histograms because the trees of scikit-learn's forests are public
arrays and those of `HistGradientBoostingClassifier` are not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
TREES = 200
LEAF = 2
"""Smallest number of clips in a leaf."""
UNKNOWN = -1.0
"""Stands for a missing fact."""


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Trees one after another; children are places in these arrays."""

    roots: Ints
    """(trees,)"""
    left: Ints
    """(nodes,), the child for values up to the threshold; a leaf is its own child."""
    right: Ints
    """(nodes,), the other child."""
    feature: Ints
    """(nodes,), the fact that is compared; 0 in a leaf."""
    threshold: Floats
    """(nodes,)"""
    value: Floats
    """(nodes, classes), share of each class."""

    def probabilities(self, x: Floats) -> Floats:
        """Return the mean of the trees' shares, (n, classes) float64.

        Args:
            x: (n, facts) float64; NaN counts as `UNKNOWN`.
        """
        x = _known(x)
        total = np.zeros((len(x), self.value.shape[1]))
        rows = np.arange(len(x))
        for root in self.roots:
            node = np.full(len(x), root)
            while True:
                goes_left = x[rows, self.feature[node]] <= self.threshold[node]
                following = np.where(goes_left, self.left[node], self.right[node])
                if (following == node).all():
                    break
                node = following
            total += self.value[node]
        return np.asarray(total / len(self.roots))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by name."""
        return dict(vars(self))


def fit(x: Floats, y: Ints, *, seed: int) -> Forest:
    """Fit a forest with balanced class weights.

    Args:
        x: (n, facts) float64; NaN counts as `UNKNOWN`.
        y: (n,), class ids from 0; every class occurs.
        seed: of the trees.
    """
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        n_estimators=TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed, n_jobs=1
    ).fit(_known(x), y)
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in Forest.__dataclass_fields__}
    at = 0
    for tree in (estimator.tree_ for estimator in model.estimators_):
        own = np.arange(tree.node_count)
        is_leaf = tree.children_left < 0
        parts["roots"].append(np.array([at]))
        parts["left"].append(np.where(is_leaf, own, tree.children_left) + at)
        parts["right"].append(np.where(is_leaf, own, tree.children_right) + at)
        parts["feature"].append(np.where(is_leaf, 0, tree.feature))
        parts["threshold"].append(tree.threshold)
        shares = tree.value[:, 0, :]
        parts["value"].append(shares / shares.sum(axis=1, keepdims=True))
        at += tree.node_count
    arrays: dict[str, Any] = {name: np.concatenate(own) for name, own in parts.items()}
    for name in arrays:
        arrays[name] = arrays[name].astype(np.float64 if name in ("threshold", "value") else np.int64)
    return Forest(**arrays)


def _known(x: Floats) -> Floats:
    """Return the values as scikit-learn's trees compare them, in single precision."""
    return np.where(np.isnan(x), UNKNOWN, x).astype(np.float32).astype(np.float64)
