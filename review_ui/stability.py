"""Stability of automatic labels by margin: whether they stay when other clips are ranked with them (bootstrap)."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hfv_builder.records import METRICS
from review_ui.clips import NONE, Clips
from review_ui.quality import margin_bins

REPLICATES = 200
"""Number of resamplings of each generator."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def stability(clips: Clips) -> list[dict[str, Any]]:
    """Return the share of labels that stay when the clips of every generator are drawn again with replacement.

    Generators whose ranks are not over all their clips, as after `hfv label --by-format`, are left out.

    Returns:
        For each bin of `quality.margin_bins` `low`, `high`, `clips` (how many were resampled), `stay` (mean share of
        labels that stay, in [0, 1]), and `from` and `to`, between which it is in 95 % of the resamplings.
    """
    parts = margin_bins(clips)
    place = np.full(len(clips), NONE, np.int64)
    for index, part in enumerate(parts):
        place[part] = index
    stayed, sizes = np.zeros((REPLICATES, len(parts))), np.zeros(len(parts), np.int64)
    scores = np.stack([clips.scores[metric] for metric in METRICS], axis=1)
    for generator in range(len(clips.generators)):
        rows = np.flatnonzero((clips.generator == generator) & (place != NONE))
        if not len(rows) or not np.isfinite(scores[rows]).all():
            continue
        ranking, labels, bins = Ranking(scores[rows]), clips.auto_label[rows], place[rows]
        if not np.array_equal(ranking.labels(np.ones(len(rows), np.int64)), labels):
            continue
        sizes += np.bincount(bins, minlength=len(parts))
        rng = np.random.default_rng(generator)
        for replicate in range(REPLICATES):
            drawn = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows))
            stayed[replicate] += np.bincount(bins[ranking.labels(drawn) == labels], minlength=len(parts))
    shares = stayed / np.maximum(sizes, 1)
    stay = shares.mean(axis=0)
    low, high = np.quantile(shares, [0.025, 0.975], axis=0) if parts else (stay, stay)
    low, high = np.minimum(low, stay), np.maximum(high, stay)  # the mean of very skewed shares may be outside
    return [
        {"low": int(clips.margin[part].min()), "high": int(clips.margin[part].max()), "clips": int(size)}
        | {"stay": float(stay[index]), "from": float(low[index]), "to": float(high[index])}
        for index, (part, size) in enumerate(zip(parts, sizes, strict=True))
        if size
    ]


class Ranking:
    """The clips of a generator, sorted once, to be labelled among any draw of them."""

    def __init__(self, scores: Floats) -> None:
        """Sort the clips by each metric; `scores` are (clips, 3) and finite."""
        self._order = [np.argsort(-column, kind="stable") for column in scores.T]
        sides = zip(self._order, -scores.T, strict=True)
        self._first = [np.searchsorted(column[order], column) for order, column in sides]
        median = np.median(scores, axis=0)
        spread = np.median(np.abs(scores - median), axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._z = np.nan_to_num(np.where(scores == median, 0.0, (scores - median) / spread)).T

    def labels(self, drawn: Ints) -> Ints:
        """Return the label of every clip among the clips that were drawn.

        Args:
            drawn: (clips,), how often each clip was drawn.

        Returns:
            (clips,), the metric on which the fewest drawn clips score higher. Equal ranks are settled by the larger
            robust z-score among all clips, then by the order of the metrics.
        """
        counted = np.zeros((len(self._order), len(drawn) + 1), np.int64)
        for row, order in zip(counted, self._order, strict=True):
            np.cumsum(drawn[order], out=row[1:])
        above = np.stack([row[first] for row, first in zip(counted, self._first, strict=True)])
        labels, best = above.argmin(axis=0), above == above.min(axis=0)
        tied = np.flatnonzero(best.sum(axis=0) > 1)
        labels[tied] = np.where(best[:, tied], self._z[:, tied], -np.inf).argmax(axis=0)
        return np.asarray(labels, np.int64)
