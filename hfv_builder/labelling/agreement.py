"""Inter-rater agreement of reviewers: percent agreement, Krippendorff's α and Gwet's AC1 for nominal answers.

All functions take a table of counts: a row per clip, a column per answer, the value is the number of reviewers who gave
that answer. Clips with fewer than two answers carry no information about agreement.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
BOOTSTRAPS = 1000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of reviewers on the clips that several of them answered. A statistic that is undefined is None."""

    clips: int
    """Number of clips with at least two answers."""
    percent: float | None
    """Share of equal pairs among all pairs of answers on a clip, mean over clips, in [0, 1]."""
    percent_low: float | None
    """Lower end of its 95 % bootstrap interval; `percent_high` is the upper end. So for the other statistics."""
    percent_high: float | None
    alpha: float | None
    """Krippendorff's α for nominal data."""
    alpha_low: float | None
    alpha_high: float | None
    ac1: float | None
    """Gwet's AC1."""
    ac1_low: float | None
    ac1_high: float | None


def agreement(counts: Counts) -> Agreement:
    """Return all statistics of a table of counts, (clips, answers) int64."""
    answered = counts[counts.sum(axis=1) > 0]
    paired = counts[counts.sum(axis=1) > 1]
    percent = interval(paired, percents)
    alpha = interval(paired, alphas)
    # Clips with one answer bear on chance agreement only, so without a pair there is nothing to estimate.
    ac1 = interval(answered, ac1s) if len(paired) > 1 else (None, None)
    return Agreement(
        clips=len(paired),
        percent=_defined(percents(paired, np.ones((1, len(paired))))),
        percent_low=percent[0],
        percent_high=percent[1],
        alpha=_defined(alphas(paired, np.ones((1, len(paired))))),
        alpha_low=alpha[0],
        alpha_high=alpha[1],
        ac1=_defined(ac1s(answered, np.ones((1, len(answered))))),
        ac1_low=ac1[0],
        ac1_high=ac1[1],
    )


def interval(counts: Counts, statistic: Callable[[Counts, Floats], Floats]) -> tuple[float | None, float | None]:
    """Return the 95 % percentile bootstrap interval of a statistic over clips drawn with replacement.

    Clips with the same counts are interchangeable, so the multiplicity of every distinct row is drawn instead of the
    clips: the time does not grow with the number of clips.

    Returns:
        The two ends of the interval; (None, None) for fewer than two clips, or if the statistic is undefined in every
        draw.
    """
    if len(counts) < 2:
        return None, None
    patterns, multiplicity = np.unique(counts, axis=0, return_counts=True)
    draws = np.random.default_rng(0).multinomial(len(counts), multiplicity / len(counts), size=BOOTSTRAPS)
    values = statistic(patterns, draws.astype(np.float64))
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None, None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def alphas(counts: Counts, weights: Floats) -> Floats:
    """Return nominal α for weighted clips (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C).

    Args:
        counts: (clips, answers), at least two answers per clip.
        weights: (draws, clips), the weight of each clip in each draw.

    Returns:
        (draws,) float64; NaN for a draw in which all answers are the same.
    """
    size = counts.sum(axis=1)
    differing = (counts * (size[:, None] - counts)).sum(axis=1) / (size - 1)
    totals = weights @ counts
    overall = totals.sum(axis=1)
    expected = (totals * (overall[:, None] - totals)).sum(axis=1) / (overall - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - (weights @ differing) / expected)


def percents(counts: Counts, weights: Floats) -> Floats:
    """Return the share of equal pairs of answers on a clip, averaged over weighted clips: (draws,) float64 in [0, 1].

    Clips with one answer are ignored. Arguments as for `alphas`.
    """
    size = counts.sum(axis=1)
    pairs = size * (size - 1)
    equal = (counts * (counts - 1)).sum(axis=1) / np.maximum(pairs, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((weights @ equal) / (weights @ (pairs > 0)))


def ac1s(counts: Counts, weights: Floats) -> Floats:
    """Return Gwet's AC1 for weighted clips (Gwet 2008, "Computing inter-rater reliability … high agreement").

    Clips with one answer count towards the frequency of the answers. The number of categories is the number of
    columns, whether or not every answer was given. Arguments as for `alphas`; returns (draws,) float64.
    """
    size = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (weights @ (counts / size[:, None])) / weights.sum(axis=1, keepdims=True)
    expected = (share * (1 - share)).sum(axis=1) / (counts.shape[1] - 1)
    return np.asarray((percents(counts, weights) - expected) / (1 - expected))


def _defined(values: Floats) -> float | None:
    return float(values[0]) if np.isfinite(values[0]) else None
