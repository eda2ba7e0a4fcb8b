"""Labels when the clips of a generator are drawn again with replacement (bootstrap): how far they hang on chance."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

DRAWS = 200

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def redrawn_labels(scores: Floats, *, draws: int = DRAWS, seed: int = 0) -> Iterator[Ints]:
    """Yield, for each draw, the label of every clip when it is ranked among the clips that were drawn.

    Args:
        scores: (n, 3) float64, the finite scores of a generator's clips.
        draws: number of draws.
        seed: of the draws.

    Yields:
        (n,) int64, the metric on which the fewest drawn clips score higher.
    """
    ranking, count = Ranking(scores), len(scores)
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield ranking.labels(np.bincount(rng.integers(count, size=count), minlength=count))


class Ranking:
    """The clips of a generator, sorted once, to be labelled among any draw of them."""

    def __init__(self, scores: Floats) -> None:
        """Sort the clips by each metric; `scores` are (clips, 3) and finite."""
        self._order = [np.argsort(-column, kind="stable") for column in scores.T]
        sides = zip(self._order, -scores.T, strict=True)
        self._first = [np.searchsorted(column[order], column) for order, column in sides]
        self._scores = scores

    def labels(self, drawn: Ints) -> Ints:
        """Return the label of every clip among the clips that were drawn.

        Args:
            drawn: (clips,), how often each clip was drawn.

        Returns:
            (clips,), the metric on which the fewest drawn clips score higher. Equal ranks are settled by the larger
            robust z-score among the drawn clips, then by the order of the metrics.
        """
        counted = np.zeros((len(self._order), len(drawn) + 1), np.int64)
        for row, order in zip(counted, self._order, strict=True):
            np.cumsum(drawn[order], out=row[1:])
        above = np.stack([row[first] for row, first in zip(counted, self._first, strict=True)])
        labels, best = above.argmin(axis=0), above == above.min(axis=0)
        tied = np.flatnonzero(best.sum(axis=0) > 1)
        if len(tied):
            z = _robust_z(self._scores[tied], np.repeat(self._scores, drawn, axis=0))
            labels[tied] = np.where(best[:, tied], z.T, -np.inf).argmax(axis=0)
        return np.asarray(labels, np.int64)


def _robust_z(scores: Floats, among: Floats) -> Floats:
    """Return (score − median) / MAD of each score among those of some clips, by column; see `labels.robust_z`."""
    middle = np.median(among, axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = (scores - middle) / np.median(np.abs(among - middle), axis=0)
    return np.nan_to_num(np.where(scores == middle, 0.0, z))
