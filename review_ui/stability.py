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
BLOCK = 1_000_000
"""Number of clips of all resamplings that are ranked together, which limits the memory to about 60 MB."""

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
        own, labels = scores[rows], clips.auto_label[rows]
        if not len(rows) or not np.isfinite(own).all():
            continue
        if not np.array_equal(_labels(own, np.ones((1, len(rows)), np.int64))[0], labels):
            continue
        bins = [place[rows] == index for index in range(len(parts))]
        sizes += [int(chosen.sum()) for chosen in bins]
        rng, block = np.random.default_rng(generator), max(1, BLOCK // len(rows))
        for start in range(0, REPLICATES, block):
            size = min(block, REPLICATES - start)
            same = _labels(own, rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size)) == labels
            stayed[start : start + size] += np.stack([same[:, chosen].sum(axis=1) for chosen in bins], axis=1)
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


def _labels(scores: Floats, drawn: Ints) -> Ints:
    """Return the label of every clip among the clips that were drawn.

    Args:
        scores: (clips, 3), finite.
        drawn: (replicates, clips), how often each clip was drawn.

    Returns:
        (replicates, clips), the metric on which the fewest drawn clips score higher. Equal ranks are settled by the
        larger robust z-score among all clips, then by the order of the metrics.
    """
    above = np.empty((scores.shape[1], *drawn.shape), np.int64)
    for metric, column in enumerate(scores.T):
        order = np.argsort(-column, kind="stable")
        counted = np.zeros((len(drawn), len(column) + 1), np.int64)
        np.cumsum(drawn[:, order], axis=1, out=counted[:, 1:])
        above[metric] = counted[:, np.searchsorted(-column[order], -column)]
    median = np.median(scores, axis=0)
    spread = np.median(np.abs(scores - median), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num(np.where(scores == median, 0.0, (scores - median) / spread))
    best = above == above.min(axis=0)
    return np.asarray(np.where(best, z.T[:, None, :], -np.inf).argmax(axis=0), np.int64)
