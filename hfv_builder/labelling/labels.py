"""Labels: the metric on which a clip ranks highest (paper, §3.2.2, eq. 2)."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.labelling.ranks import rank_clips
from hfv_builder.records import METRICS, Label

METRIC_NAMES = [metric.value for metric in METRICS]


def label_clips(scores: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """Ranks and automatic labels of fake clips.

    Args:
        scores: a row per clip with columns clip_id, generator, spatial, appearance, motion (float64, NaN = none).
        groups: a text per clip, in their order; clips are then ranked among those of the same generator and text only.

    Returns:
        The rows of `ranks.rank_clips`, with auto_label (Int32, argmin of the three ranks), margin (Int32, second
        smallest rank − smallest) and tied (boolean: the smallest rank was shared). Equal ranks are settled by the
        larger robust z-score, (score − median) / MAD inside generator and metric, then by the order spatial,
        appearance, motion. All three are null for a clip that is not ranked.
    """
    if groups is not None:
        apart = scores.assign(generator=scores["generator"] + "\n" + groups.to_numpy())
        return label_clips(apart).assign(generator=scores["generator"])
    labelled = rank_clips(scores)
    is_ranked = labelled["rank_spatial"].notna().to_numpy()
    ranked = labelled.loc[is_ranked]
    ranks = ranked[[f"rank_{name}" for name in METRIC_NAMES]].to_numpy(np.int64)
    ordered = np.sort(ranks, axis=1)
    tied = ordered[:, 0] == ordered[:, 1]
    label = ranks.argmin(axis=1)
    if tied.any():
        # Only clips on the smallest rank compete; argmax takes the first of equal z-scores, in metric order.
        label[tied] = np.where(ranks == ordered[:, :1], robust_z(ranked), -np.inf).argmax(axis=1)[tied]
    for column, values in (("auto_label", label), ("margin", ordered[:, 1] - ordered[:, 0])):
        labelled[column] = pd.array([pd.NA] * len(labelled), dtype="Int32")
        labelled.loc[is_ranked, column] = values.astype(np.int32)
    labelled["tied"] = pd.array([pd.NA] * len(labelled), dtype="boolean")
    labelled.loc[is_ranked, "tied"] = tied
    return labelled


def label_real(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of real clips, never ranked: label 3 and null ranks, margin, tie and group size."""
    labelled = scores.copy()
    for column in (*(f"rank_{name}" for name in METRIC_NAMES), "margin", "group_size"):
        labelled[column] = pd.array([pd.NA] * len(scores), dtype="Int32")
    labelled["tied"] = pd.array([pd.NA] * len(scores), dtype="boolean")
    labelled["auto_label"] = pd.array([int(Label.REAL)] * len(scores), dtype="Int32")
    return labelled


def robust_z(ranked: pd.DataFrame) -> npt.NDArray[np.float64]:
    """(score − median) / MAD inside generator and metric, (n, 3); off a median without spread, the largest number."""
    scores = ranked[METRIC_NAMES]
    from_median = scores - scores.groupby(ranked["generator"], observed=True).transform("median")
    mad = from_median.abs().groupby(ranked["generator"], observed=True).transform("median")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = from_median.to_numpy(np.float64) / mad.to_numpy(np.float64)
    return np.nan_to_num(np.where(from_median.to_numpy() == 0, 0.0, z))
