"""Ranks: 1 is the most anomalous clip of its generator on a metric (paper, §3.2.2, eq. 1)."""

import numpy as np
import pandas as pd

from hfv_builder.records import METRICS


def rank_clips(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with their ranks inside each generator.

    A clip is ranked when it has all three scores: ranks are compared with each other, so all three must count
    the same clips.

    Args:
        scores: a row per clip with columns clip_id, generator, spatial, appearance, motion (float64, NaN = none).

    Returns:
        The same rows in the same order, with rank_spatial, rank_appearance, rank_motion (Int32; descending score,
        equal scores share the smaller rank; null where not ranked) and group_size (Int32, the clips ranked in
        the generator).
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
