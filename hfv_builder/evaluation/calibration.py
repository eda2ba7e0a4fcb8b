"""Calibration: whether stated probabilities agree with observed frequencies (Guo et al., ICML 2017)."""

from dataclasses import dataclass

import numpy as np

from hfv_builder.evaluation.metrics import Bools, Floats

BINS = 15


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Bins of equal width over [0, 1] that have clips."""

    stated: Floats
    """(k,), mean probability of the bin's clips."""
    observed: Floats
    """(k,), share of them that are positive."""
    clips: Floats
    """(k,), number of them."""

    @property
    def ece(self) -> float:
        """Expected calibration error: mean |stated − observed| over the clips, in [0, 1]; NaN without clips."""
        if not self.clips.sum():
            return np.nan
        return float((self.clips * abs(self.stated - self.observed)).sum() / self.clips.sum())


def reliability(positive: Bools, probability: Floats, bins: int = BINS) -> Reliability:
    """Return the bins of the clips by their probability.

    Args:
        positive: (n,).
        probability: (n,) in [0, 1], that a clip is positive; 1 is in the last bin.
        bins: number of bins.
    """
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    clips = np.bincount(place, minlength=bins).astype(np.float64)
    kept = clips > 0
    stated, observed = (np.bincount(place, values, bins)[kept] / clips[kept] for values in (probability, positive))
    return Reliability(stated=stated, observed=observed, clips=clips[kept])
