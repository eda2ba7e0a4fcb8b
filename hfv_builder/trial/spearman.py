"""Spearman's rank correlation."""

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the rank correlation of two sequences of one length; equal values share their mean rank.

    The result is NaN if one of them is constant or empty, or a value is NaN.

    >>> round(spearman([1, 2, 3, 4], [1, 2, 4, 3]), 6)
    0.8
    """
    values = [np.ravel(each) for each in (first, second)]
    if not all(len(each) and np.ptp(each) > 0 for each in values):
        return float("nan")
    return float(spearmanr(*values).statistic)
