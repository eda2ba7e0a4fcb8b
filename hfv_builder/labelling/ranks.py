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
    values = scores[[metric.value for metric in METRICS]].to_numpy(np.float64)
    complete = np.isfinite(values).all(axis=1)
    generators = scores["generator"].factorize()[0]
    ranks = np.zeros((len(METRICS), len(scores)), np.int32)
    groups = pd.DataFrame(values[complete]).groupby(generators[complete], sort=False)
    ranks[:, complete] = groups.rank(method="min", ascending=False).to_numpy().T
    sizes = np.bincount(generators[complete], minlength=len(scores))[generators]
    columns = {
        f"rank_{metric}": pd.arrays.IntegerArray(own, ~complete) for metric, own in zip(METRICS, ranks, strict=True)
    }
    return scores.assign(**columns, group_size=pd.array(sizes, "Int32"))
