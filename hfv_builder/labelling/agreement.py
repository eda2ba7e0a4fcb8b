"""How far reviewers agree: percent agreement, Krippendorff's α and Gwet's AC1 for nominal answers.

Everything works on a table of counts: a row per clip, a column per answer, how many reviewers gave that answer. Clips
with fewer than two answers say nothing about agreement.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
BOOTSTRAPS = 1000


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What some reviewers' answers on the same clips say. None where it is not defined."""

    clips: int
    """Clips with two answers or more."""
    percent: float | None
    """Share of pairs of answers on the same clip that are equal, mean over clips, in [0, 1]."""
    alpha: float | None
    """Krippendorff's α, nominal."""
    alpha_low: float | None
    """95 % interval, from resampled clips."""
    alpha_high: float | None
    ac1: float | None
    """Gwet's AC1."""


def agreement(counts: Counts, *, seed: int = 0) -> Agreement:
    """All figures for a table of counts, (clips, answers)."""
    answered = counts[counts.sum(axis=1) > 0]
    paired = counts[counts.sum(axis=1) > 1]
    low, high = interval(paired, alphas, seed=seed)
    return Agreement(
        clips=len(paired),
        percent=_defined(percents(paired, np.ones((1, len(paired))))),
        alpha=_defined(alphas(paired, np.ones((1, len(paired))))),
        alpha_low=low,
        alpha_high=high,
        ac1=_defined(ac1s(answered, np.ones((1, len(answered))))),
    )


def interval(
    counts: Counts, statistic: Callable[[Counts, Floats], Floats], *, level: float = 0.95, seed: int = 0
) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval of a statistic, clips drawn with replacement.

    Clips with the same counts are interchangeable, so a draw is a draw of how often each pattern comes: as quick for a
    hundred thousand clips as for a hundred.
    """
    if len(counts) < 2:
        return None, None
    patterns, often = np.unique(counts, axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(counts), often / len(counts), size=BOOTSTRAPS)
    values = statistic(patterns, draws.astype(np.float64))
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None, None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def alphas(counts: Counts, weights: Floats) -> Floats:
    """Nominal α of weighted clips (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C).

    Args:
        counts: (clips, answers), two answers or more on every clip.
        weights: (draws, clips), how often each clip counts.

    Returns:
        (draws,); NaN where all answers are the same one.
    """
    size = counts.sum(axis=1)
    differing = (counts * (size[:, None] - counts)).sum(axis=1) / (size - 1)
    totals = weights @ counts
    every = totals.sum(axis=1)
    expected = (totals * (every[:, None] - totals)).sum(axis=1) / (every - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - (weights @ differing) / expected)


def percents(counts: Counts, weights: Floats) -> Floats:
    """Share of equal pairs on a clip, mean over weighted clips; clips with one answer are passed over."""
    size = counts.sum(axis=1)
    pairs = size * (size - 1)
    equal = (counts * (counts - 1)).sum(axis=1) / np.maximum(pairs, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((weights @ equal) / (weights @ (pairs > 0)))


def ac1s(counts: Counts, weights: Floats) -> Floats:
    """Gwet's AC1 of weighted clips (Gwet 2008, "Computing inter-rater reliability … high agreement").

    Clips with one answer help to tell how common each answer is. The number of answers is the number of columns,
    whether or not all were given.
    """
    size = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (weights @ (counts / size[:, None])) / weights.sum(axis=1, keepdims=True)
    expected = (share * (1 - share)).sum(axis=1) / (counts.shape[1] - 1)
    return np.asarray((percents(counts, weights) - expected) / (1 - expected))


def _defined(values: Floats) -> float | None:
    return float(values[0]) if np.isfinite(values[0]) else None
