"""Estimates with 95 % intervals: shares, rank correlations, areas under ROC curves, Cohen's kappa."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from hfv_builder.audit.finding import Estimate

LEVEL = 0.95
Z = float(ndtri((1 + LEVEL) / 2))
BOOTSTRAPS = 400

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def share(count: int, total: int) -> Estimate:
    """Return count / total with Wilson's interval; 0 of 0 is 0."""
    if not total:
        return Estimate(value=0.0, low=0.0, high=1.0)
    from scipy.stats import binomtest  # takes a while to import, and a command may be refused before

    interval = binomtest(int(count), int(total)).proportion_ci(LEVEL, method="wilson")
    return Estimate(value=count / total, low=float(interval.low), high=float(interval.high))


def rank_correlation(a: Floats, b: Floats) -> Estimate | None:
    """Return Spearman's ρ of two columns over the rows where both are finite.

    The interval is that of Bonett and Wright (2000): Fisher's z with the standard error √((1 + ρ²/2) / (n − 3)).

    Returns:
        None with fewer than ten rows, or if a column is constant.
    """
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < 10 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy.stats import spearmanr

    value = float(spearmanr(a, b).statistic)
    half = Z * np.sqrt((1 + value**2 / 2) / (len(a) - 3))
    z = np.arctanh(np.clip(value, -0.999999, 0.999999))
    return Estimate(value=value, low=float(np.tanh(z - half)), high=float(np.tanh(z + half)))


def strength(correlation: Estimate) -> Estimate:
    """Return |ρ| with the interval of |ρ|; its lower end is 0 if the interval of ρ has both signs."""
    ends = abs(correlation.low or 0.0), abs(correlation.high or 0.0)
    both = (correlation.low or 0.0) * (correlation.high or 0.0) <= 0
    return Estimate(value=abs(correlation.value), low=0.0 if both else min(ends), high=max(ends))


def area_under_curve(positive: Floats, negative: Floats) -> tuple[float, float]:
    """Return the area under the ROC curve and its variance (DeLong, DeLong and Clarke-Pearson 1988).

    Args:
        positive: scores of the positive class.
        negative: scores of the negative class.
    """
    below = _places(positive, negative)
    above = 1 - _places(negative, positive)
    variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else 0.25 for part in (below, above))
    return float(below.mean()), variance


def area_estimate(value: float, variance: float, clips: int) -> Estimate:
    """Return an area under the curve with its interval on the logit scale.

    Args:
        value: the area.
        variance: its variance.
        clips: the size of the smaller class; the interval of a perfect separation depends on it.
    """
    if not 0 < value < 1 or variance == 0:
        bound = min(1.0, 3 / max(clips, 1))  # the rule of three
        return Estimate(value=value, low=max(0.0, value - bound), high=min(1.0, value + bound))
    logit = np.log(value / (1 - value))
    half = Z * np.sqrt(variance) / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(logit - half))), 1 / (1 + np.exp(-(logit + half)))
    return Estimate(value=value, low=float(low), high=float(high))


def kappa(confusion: Ints) -> Estimate | None:
    """Return Cohen's κ of a square confusion matrix with its percentile bootstrap interval; None if it is undefined."""
    total = int(confusion.sum())
    value = _kappas(confusion[None].astype(np.float64))[0] if total else np.nan
    if not np.isfinite(value):
        return None
    draws = np.random.default_rng(0).multinomial(total, confusion.ravel() / total, size=BOOTSTRAPS)
    values = _kappas(draws.reshape(-1, *confusion.shape).astype(np.float64))
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=float(value), low=float(low), high=float(high))


def _kappas(confusions: Floats) -> Floats:
    """Return κ of each matrix, (n, k, k) to (n,); NaN where the agreement expected by chance is 1."""
    total = confusions.sum(axis=(1, 2))
    observed = np.trace(confusions, axis1=1, axis2=2) / total
    chance = (confusions.sum(axis=1) * confusions.sum(axis=2)).sum(axis=1) / total**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(chance < 1, (observed - chance) / (1 - chance), np.nan))


def _places(values: Floats, others: Floats) -> Floats:
    """Return the share of the others that each value exceeds, equal ones counted by half."""
    ordered = np.sort(others)
    left, right = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return np.asarray((left + right) / 2 / len(ordered))
