"""Whether two detectors differ on the same clips: McNemar's test and the paired bootstrap."""

from dataclasses import dataclass

import numpy as np

from hfv_builder.evaluation.bootstrap import interval
from hfv_builder.evaluation.metrics import Bools, Floats


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure of the first detector minus that of the second."""

    value: float
    low: float
    high: float
    """The 95 % interval."""
    p: float
    """Two-sided; NaN if the figure is not defined."""


def mcnemar(first: Bools, second: Bools) -> float:
    """Return McNemar's exact two-sided p-value; the null: both are right equally often (Psychometrika, 1947).

    Args:
        first: (n,), whether the first detector is right.
        second: (n,), likewise the second, on the same clips.

    Returns:
        A value in [0, 1]; 1 if they are right and wrong on the same clips.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def paired_difference(first: float, second: float, first_draws: Floats, second_draws: Floats) -> Difference:
    """Return the difference of a figure between two detectors by the paired bootstrap.

    p is twice the smaller share of draws on one side of zero, with one draw added (Davison and Hinkley, 1997, §4.2);
    draws without a difference count on both sides.

    Args:
        first: the figure of the first detector.
        second: that of the second.
        first_draws: (draws,), the figure in each draw.
        second_draws: (draws,), likewise, of the same draws.
    """
    differences = first_draws - second_draws
    low, high = interval(differences)
    if np.isnan(low):
        return Difference(value=first - second, low=low, high=high, p=np.nan)
    draws = len(differences)
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return Difference(value=first - second, low=low, high=high, p=min(1.0, 2 * (smaller + 1) / (draws + 1)))
