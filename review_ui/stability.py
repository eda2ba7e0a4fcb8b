"""Stability of automatic labels by margin: whether they stay when other clips are ranked with them (bootstrap)."""

from functools import lru_cache
from typing import Any

import numpy as np

from hfv_builder.labelling.redrawn import DRAWS, Ranking, redrawn_labels
from hfv_builder.records import METRICS
from review_ui.clips import NONE, Clips
from review_ui.quality import margin_bins


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
    stayed, sizes = np.zeros((DRAWS, len(parts))), np.zeros(len(parts), np.int64)
    scores = np.stack([clips.scores[metric] for metric in METRICS], axis=1)
    for generator in range(len(clips.generators)):
        rows = np.flatnonzero((clips.generator == generator) & (place != NONE))
        if not len(rows) or not np.isfinite(scores[rows]).all():
            continue
        labels, bins = clips.auto_label[rows], place[rows]
        if not np.array_equal(Ranking(scores[rows]).labels(np.ones(len(rows), np.int64)), labels):
            continue
        sizes += np.bincount(bins, minlength=len(parts))
        for draw, redrawn in enumerate(redrawn_labels(scores[rows], seed=generator)):
            stayed[draw] += np.bincount(bins[redrawn == labels], minlength=len(parts))
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
