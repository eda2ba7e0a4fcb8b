"""Ranks of clips inside a generator: rank 1 is the most anomalous clip on a metric (HFV paper, §3.2.2, eq. 1)."""

import numpy as np
import pandas as pd

from hfv_builder.records import METRICS


def rank_clips(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with their ranks inside each generator.

    A clip is ranked only if it has all three scores: the three ranks are compared with each other, so they must be
    over the same clips.

    Args:
        scores: a row per clip with columns clip_id, generator, spatial, appearance, motion (float64, NaN = no score).

    Returns:
        The same rows in the same order, with rank_spatial, rank_appearance, rank_motion (Int32; by descending score,
        equal scores share the smaller rank; null if not ranked) and group_size (Int32, number of ranked clips of the
        generator).
    """
    metrics = [metric.value for metric in METRICS]
    ranked = scores.copy()
    complete = np.isfinite(scores[metrics].to_numpy(np.float64)).all(axis=1)
    groups = scores.loc[complete].groupby("generator", sort=False, observed=True)
    for metric in metrics:
        ranked[f"rank_{metric}"] = groups[metric].rank(method="min", ascending=False).astype("Int32")
    sizes = groups.size()
    ranked["group_size"] = scores["generator"].map(sizes).fillna(0).astype("Int32")
    return ranked
