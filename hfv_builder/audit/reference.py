"""The reference rule, a second opinion on labels: how far each score lies beyond those of real clips."""

import numpy as np
import numpy.typing as npt

RANGE = 0.95
"""Share of the real clips that make up the real range of a score."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def reference_labels(scores: Floats, real: Floats) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return the label of each clip by the reference rule, and whether it is within the real range on all three scores.

    The exceedance of a score is the share of real clips with at least this score; the label is the metric with the
    smallest exceedance. Equal exceedances, such as those of scores above all real clips, are ordered by the distance
    from the real clips' median in units of their median absolute deviation.

    Args:
        scores: (n, 3) of generated clips.
        real: (m, 3) of real clips.

    Returns:
        (n,) int64 and (n,) bool.
    """
    ordered = np.sort(real, axis=0)
    middle = np.median(real, axis=0)
    spread = np.maximum(np.median(np.abs(real - middle), axis=0), np.finfo(np.float64).tiny)
    below = np.stack([np.searchsorted(ordered[:, metric], scores[:, metric]) for metric in range(3)], axis=1)
    exceedance = 1 - below / len(real)
    distance = (scores - middle) / spread
    least = exceedance.min(axis=1, keepdims=True)
    labels = np.where(exceedance == least, distance, -np.inf).argmax(axis=1)
    within = np.all(scores <= np.quantile(real, RANGE, axis=0), axis=1)
    return labels.astype(np.int64), np.asarray(within, np.bool_)
