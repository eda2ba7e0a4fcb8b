"""Bootstrap intervals: clips are drawn with replacement within each class (Efron and Tibshirani, 1993, §8.4)."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hfv_builder.evaluation.metrics import Counts, Floats, Ints

DRAWS = 1000
LEVEL = 0.95


class Bootstrap:
    """Draws that depend only on the clips of a class: real clips that two sets share get the same draws in both.

    Therefore the figures of several sets can be averaged, and those of two detectors compared, draw by draw.
    """

    def __init__(self, *, draws: int = DRAWS, seed: int = 0) -> None:
        self.draws = draws
        self._seed = seed
        self._known: dict[bytes, npt.NDArray[np.float32]] = {}

    def counts(self, strata: Ints, clips: Sequence[str]) -> Counts:
        """Return how often each clip counts in each draw, (draws, n) float32; every stratum keeps its number of clips.

        Args:
            strata: (n,), the class of each clip.
            clips: (n,), their ids.
        """
        names = np.asarray(clips, dtype=np.str_)
        counts = np.empty((self.draws, len(names)), np.float32)
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            members = members[np.argsort(names[members], kind="stable")]
            counts[:, members] = self._drawn(names[members])
        return counts

    def _drawn(self, names: npt.NDArray[np.str_]) -> npt.NDArray[np.float32]:
        key = hashlib.sha256(f"{self._seed}\n{chr(10).join(names)}".encode()).digest()
        if key not in self._known:
            size = len(names)
            rng = np.random.default_rng([*key])
            chosen = rng.integers(0, size, (self.draws, size)) + size * np.arange(self.draws)[:, None]
            flat = np.bincount(chosen.ravel(), minlength=self.draws * size)
            self._known[key] = flat.reshape(self.draws, size).astype(np.float32)
        return self._known[key]


def interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of the draws, (low, high); NaN if the figure is not defined in some of them.

    Args:
        values: (draws,), the figure in each draw.
    """
    if not len(values) or np.isnan(values).any():
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
