"""Automatic labels: the metric on which a clip ranks highest (HFV paper, §3.2.2, eq. 2)."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.labelling.ranks import rank_clips
from hfv_builder.records import METRICS, Label

METRIC_NAMES = [metric.value for metric in METRICS]


def label_clips(scores: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """Return the ranks and automatic labels of fake clips.

    Args:
        scores: a row per clip with columns clip_id, generator, spatial, appearance, motion (float64, NaN = no score).
        groups: a string per clip, in the order of `scores`; clips are ranked inside each generator and group. None
            ranks inside each generator.

    Returns:
        The rows of `ranks.rank_clips`, with auto_label (Int32, argmin of the three ranks), margin (Int32, second
        smallest rank − smallest) and tied (boolean, whether metrics share the smallest rank). Among these the larger
        robust z-score wins, (score − median) / MAD inside generator and metric, then the order spatial, appearance,
        motion. All three columns are null for a clip that is not ranked.
    """
    if groups is not None:
        grouped = scores.assign(generator=scores["generator"] + "\n" + groups.to_numpy())
        return label_clips(grouped).assign(generator=scores["generator"])
    labelled = rank_clips(scores)
    is_ranked = labelled["rank_spatial"].notna().to_numpy()
    ranked = labelled.loc[is_ranked]
    ranks = ranked[[f"rank_{name}" for name in METRIC_NAMES]].to_numpy(np.int64)
    ordered = np.sort(ranks, axis=1)
    tied = ordered[:, 0] == ordered[:, 1]
    label = ranks.argmin(axis=1)
    if tied.any():
        # Only metrics with the smallest rank compete; argmax takes the first of equal z-scores, in metric order.
        label[tied] = np.where(ranks == ordered[:, :1], robust_z(ranked), -np.inf).argmax(axis=1)[tied]
    label_and_margin = np.zeros((2, len(labelled)), np.int32)
    label_and_margin[:, is_ranked] = label, ordered[:, 1] - ordered[:, 0]
    auto_label, margin = (pd.arrays.IntegerArray(values, ~is_ranked) for values in label_and_margin)
    any_tied = np.zeros(len(labelled), np.bool_)
    any_tied[is_ranked] = tied
    return labelled.assign(auto_label=auto_label, margin=margin, tied=pd.arrays.BooleanArray(any_tied, ~is_ranked))


def label_real(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of real clips, which are never ranked: auto_label 3; ranks, margin, tied and group_size null."""
    labelled = scores.copy()
    for column in (*(f"rank_{name}" for name in METRIC_NAMES), "margin", "group_size"):
        labelled[column] = pd.array([pd.NA] * len(scores), dtype="Int32")
    labelled["tied"] = pd.array([pd.NA] * len(scores), dtype="boolean")
    labelled["auto_label"] = pd.array([int(Label.REAL)] * len(scores), dtype="Int32")
    return labelled


def robust_z(ranked: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return (score − median) / MAD inside generator and metric, (n, 3) float64.

    The value is 0 at the median. If MAD is 0, any other score gets ± the largest float64.
    """
    group = ranked["generator"].factorize()[0]
    scores = ranked[METRIC_NAMES].to_numpy(np.float64)
    from_median = scores - _medians(scores, group)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = from_median / _medians(np.abs(from_median), group)
    return np.nan_to_num(np.where(from_median == 0, 0.0, z))


def _medians(values: npt.NDArray[np.float64], group: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the median of every column in the group of each row."""
    return pd.DataFrame(values).groupby(group).transform("median").to_numpy()
