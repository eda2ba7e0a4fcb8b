"""Support vector machines as arrays: fitted by scikit-learn, evaluated in numpy, exact or by the Nyström method.

Exact is libsvm (`SVC`). Its time grows with the square of the number of vectors. Above `EXACT` vectors the kernel is
therefore approximated with `LANDMARKS` of them (Williams and Seeger, NeurIPS 2000), and liblinear solves the same
problem, except that it also regularises the offset. A linear kernel needs no approximation.
"""

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hfv_builder.detectors.base import balanced_weights

Kernel = Literal["linear", "rbf", "poly"]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
EXACT = 16_000
LANDMARKS = 512
DEGREE = 3
BLOCK = 4096
"""Vectors whose kernel is computed together."""
ITERATIONS = 200
"""Iterations of liblinear over all vectors; more iterations change decision values by less than 0.1 %."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A fitted machine: f(x) = k(x, vectors) · weights + offsets, a column per pair of classes i < j, above 0 for i."""

    kernel: Kernel
    classes: int
    gamma: float
    vectors: npt.NDArray[Any]
    """(s, D): support vectors, landmarks, or for a linear kernel the unit vectors, as an empty array."""
    weights: Floats
    """(s, pairs), or (D, pairs) for a linear kernel."""
    offsets: Floats
    """(pairs,)"""

    def decisions(self, x: npt.NDArray[Any]) -> Floats:
        """Return a decision value for each class, (n, classes) float64, as `SVC.decision_function` does.

        For two classes they are −f and f; for more classes, the number of pairs that a class wins plus a confidence
        below ½.
        """
        parts = [self._pairs(x[start : start + BLOCK]) for start in range(0, len(x), BLOCK)]
        pairs = np.concatenate(parts) if parts else np.empty((0, len(self.offsets)))
        if self.classes == 2:
            return np.column_stack([pairs[:, 0], -pairs[:, 0]])
        votes, confidences = np.zeros((2, len(pairs), self.classes))
        for column, (i, j) in enumerate(combinations(range(self.classes), 2)):
            votes[:, i] += pairs[:, column] > 0
            votes[:, j] += pairs[:, column] <= 0
            confidences[:, i] += pairs[:, column]
            confidences[:, j] -= pairs[:, column]
        return np.asarray(votes + confidences / (3 * (abs(confidences) + 1)))

    def _pairs(self, x: npt.NDArray[Any]) -> Floats:
        if self.kernel == "linear":
            return np.asarray(x.astype(np.float64) @ self.weights + self.offsets)
        own = x.astype(self.vectors.dtype)  # support vectors are in double precision, landmarks in single
        return np.asarray(kernel_matrix(self.kernel, own, self.vectors, self.gamma) @ self.weights + self.offsets)


def kernel_matrix(kernel: Kernel, x: npt.NDArray[Any], y: npt.NDArray[Any], gamma: float) -> npt.NDArray[Any]:
    """Return k(x, y), (n, m), in the precision of x: exp(−γ |x − y|²) of rbf, (γ x · y)³ of poly, x · y of linear."""
    product = x @ y.T
    if kernel == "linear":
        return np.asarray(product)
    if kernel == "poly":
        return np.asarray((gamma * product) ** DEGREE)
    distance = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * product
    return np.asarray(np.exp(-gamma * np.maximum(distance, 0)))


def scale_gamma(x: npt.NDArray[Any]) -> float:
    """Return scikit-learn's gamma = "scale": 1 / (D · variance of all values); 1 if they are equal."""
    variance = float(x.var(dtype=np.float64))
    return 1 / (x.shape[1] * variance) if variance > 0 else 1.0


def fit(
    kernel: Kernel,
    x: npt.NDArray[np.float32],
    y: Ints,
    classes: int,
    *,
    c: float = 1.0,
    seed: int = 0,
    exact: int = EXACT,
) -> Machine:
    """Fit a machine with balanced class weights.

    Args:
        kernel: the kernel; gamma is `scale_gamma`.
        x: (n, D) float32.
        y: (n,), class ids below `classes`; every class occurs.
        classes: how many.
        c: the cost of a misclassified vector.
        seed: of the landmarks and of liblinear.
        exact: number of vectors above which the kernel is approximated.
    """
    gamma = scale_gamma(x)
    if len(x) <= exact:
        return _fit_exact(kernel, x.astype(np.float64), y, classes, c, gamma)
    if kernel == "linear":
        weights, offsets = _fit_linear(x, y, classes, c, seed)
        return Machine(
            kernel=kernel, classes=classes, gamma=gamma, vectors=np.empty((0, 0)), weights=weights, offsets=offsets
        )
    chosen = np.random.default_rng(seed).choice(len(x), min(LANDMARKS, len(x)), replace=False)
    landmarks = x[np.sort(chosen)]
    root = _inverse_root(kernel_matrix(kernel, landmarks.astype(np.float64), landmarks.astype(np.float64), gamma))
    mapped = np.empty((len(x), root.shape[1]), np.float32)
    for start in range(0, len(x), BLOCK):
        part = slice(start, start + BLOCK)
        mapped[part] = kernel_matrix(kernel, x[part], landmarks, gamma) @ root.astype(np.float32)
    weights, offsets = _fit_linear(mapped, y, classes, c, seed)
    return Machine(
        kernel=kernel, classes=classes, gamma=gamma, vectors=landmarks, weights=root @ weights, offsets=offsets
    )


def _fit_exact(kernel: Kernel, x: Floats, y: Ints, classes: int, c: float, gamma: float) -> Machine:
    from sklearn.svm import SVC

    machine = SVC(C=c, kernel=kernel, gamma=gamma, degree=DEGREE, class_weight="balanced", cache_size=500).fit(x, y)
    pairs = [*combinations(range(classes), 2)]
    weights = np.zeros((len(machine.support_), len(pairs)))
    ends = np.cumsum([0, *machine.n_support_])
    for column, (i, j) in enumerate(pairs):  # libsvm keeps one row of coefficients for every other class
        own, other = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        weights[own, column] = machine.dual_coef_[j - 1, own]
        weights[other, column] = machine.dual_coef_[i, other]
    offsets = np.array(machine.intercept_, np.float64)
    if classes == 2:  # for two classes scikit-learn inverts the sign, so that f > 0 is the second
        weights, offsets = -weights, -offsets
    vectors = np.asarray(machine.support_vectors_)
    if kernel == "linear":
        weights, vectors = vectors.T @ weights, np.empty((0, 0))
    return Machine(kernel=kernel, classes=classes, gamma=gamma, vectors=vectors, weights=weights, offsets=offsets)


def _fit_linear(x: npt.NDArray[Any], y: Ints, classes: int, c: float, seed: int) -> tuple[Floats, Floats]:
    """Return weights (D, pairs) and offsets (pairs,) of linear machines for each pair of classes."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    share = balanced_weights(y, classes)
    weights, offsets = [], []
    for i, j in combinations(range(classes), 2):
        own = (y == i) | (y == j)
        machine = LinearSVC(
            C=c, loss="hinge", class_weight={0: share[j], 1: share[i]}, max_iter=ITERATIONS, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # see ITERATIONS
            machine.fit(x if own.all() else x[own], (y[own] == i).astype(np.int64))
        weights.append(machine.coef_[0])
        offsets.append(float(machine.intercept_[0]))
    return np.stack(weights, axis=1), np.array(offsets)


def _inverse_root(matrix: Floats) -> Floats:
    """Return R with R Rᵀ = the pseudo-inverse of a kernel matrix, without directions that are rounding errors."""
    values, directions = np.linalg.eigh(matrix)
    kept = values > values.max() * 1e-6
    return np.asarray(directions[:, kept] / np.sqrt(values[kept]))
