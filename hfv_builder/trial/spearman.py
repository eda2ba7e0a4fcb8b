"""Spearman's rank correlation."""

import numpy as np
import numpy.typing as npt
import pandas as pd


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the rank correlation of two sequences of one length; equal values share their mean rank.

    The result is NaN if one of them is constant, or a value is NaN.

    >>> round(spearman([1, 2, 3, 4], [1, 2, 4, 3]), 6)
    0.8
    """
    ranks = [pd.Series(np.ravel(values)).rank(na_option="keep").to_numpy() for values in (first, second)]
    if any(np.isnan(rank).any() or np.ptp(rank) == 0 for rank in ranks if len(rank)) or not len(ranks[0]):
        return float("nan")
    return float(np.asarray(np.corrcoef(ranks))[0, 1])
