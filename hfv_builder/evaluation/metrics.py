"""Figures of a classifier, each for many weightings of the clips at once.

Every function takes `counts`, (B, n): how often each clip counts in each of B draws. `once(n)` counts each clip once,
which gives the figure itself; draws of `bootstrap` give its distribution.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def once(clips: int) -> Floats:
    """Return the counts of the clips as they are, (1, clips) float64."""
    return np.ones((1, clips))


def confusion(truth: Ints, predicted: Ints, classes: int, counts: Counts) -> Floats:
    """Return confusion matrices, (B, classes, classes) float64: rows are the truth, columns the prediction.

    Args:
        truth: (n,), class ids.
        predicted: (n,), class ids.
        classes: the number of classes.
        counts: (B, n).
    """
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + predicted] = 1
    return np.asarray(counts @ cells.astype(counts.dtype), np.float64).reshape(-1, classes, classes)


def accuracy(matrices: Floats) -> Floats:
    """Return the share of right predictions, (B,) in [0, 1]; NaN without clips.

    Args:
        matrices: (B, c, c), see `confusion`.
    """
    return _ratio(np.trace(matrices, axis1=1, axis2=2), matrices.sum(axis=(1, 2)))


def macro_f1(matrices: Floats) -> Floats:
    """Return the mean F1 of the classes that occur as truth or prediction, (B,) in [0, 1]; NaN without clips.

    This is scikit-learn's `f1_score(average="macro")`, in which a class that is never right has F1 = 0.

    Args:
        matrices: (B, c, c), see `confusion`.
    """
    right = np.diagonal(matrices, axis1=1, axis2=2)
    occurrences = matrices.sum(axis=1) + matrices.sum(axis=2)
    f1 = np.divide(2 * right, occurrences, out=np.zeros_like(right), where=occurrences > 0)
    return _ratio(f1.sum(axis=1), (occurrences > 0).sum(axis=1).astype(np.float64))


def auc(positive: Bools, score: Floats, counts: Counts) -> Floats:
    """Return the area under the ROC curve, (B,) in [0, 1]: P(positive above negative) + ½ P(equal).

    NaN where a draw has no positive or no negative clip.

    Args:
        positive: (n,).
        score: (n,), higher = more likely positive; equal scores count half.
        counts: (B, n).
    """
    own, other = np.flatnonzero(positive), np.flatnonzero(~positive)
    if not (len(own) and len(other)):
        return np.full(len(counts), np.nan)
    other = other[np.argsort(score[other], kind="stable")]
    below = np.zeros((len(counts), len(other) + 1), counts.dtype)
    np.cumsum(counts[:, other], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(score[other], score[own], side=side) for side in ("left", "right"))
    own_counts = counts[:, own]
    wins = (own_counts * below[:, first]).sum(axis=1, dtype=np.float64)
    if (first != last).any():
        wins = (wins + (own_counts * below[:, last]).sum(axis=1, dtype=np.float64)) / 2
    pairs = own_counts.sum(axis=1, dtype=np.float64) * below[:, -1]
    return _ratio(wins, pairs)


def macro_auc(truth: Ints, probabilities: Floats, counts: Counts) -> Floats:
    """Return the mean over the classes of the area under the ROC curve of one class against the rest, (B,).

    NaN unless every class has a clip: the mean over other classes would be another figure.

    Args:
        truth: (n,), class ids.
        probabilities: (n, c).
        counts: (B, n).
    """
    each = [auc(truth == label, probabilities[:, label], counts) for label in range(probabilities.shape[1])]
    return np.asarray(np.mean(each, axis=0))


def roc(positive: Bools, score: Floats) -> tuple[Floats, Floats]:
    """Return the false and true positive rates of all thresholds, both (k,), from (0, 0) to (1, 1).

    Args:
        positive: (n,), with both values.
        score: (n,), higher = more likely positive.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(score[order]) < 0, True])
    hits, alarms = np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]
    return np.r_[0.0, alarms / alarms[-1]], np.r_[0.0, hits / hits[-1]]


def _ratio(above: npt.NDArray[np.floating], below: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0), np.float64)
