"""The figures of one detector on one evaluation set, with their bootstrap draws."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hfv_builder.evaluation import metrics
from hfv_builder.evaluation.bootstrap import Bootstrap, interval
from hfv_builder.evaluation.calibration import Reliability, reliability
from hfv_builder.evaluation.metrics import Bools, Counts, Floats, Ints
from hfv_builder.records import Label

PROBABILITIES = tuple(f"p_{label}" for label in Label)
"""Columns of predictions, in the order of the label ids."""
FIGURES = ("accuracy", "auc", "macro_f1", "binary_accuracy", "binary_auc")
"""Figures with intervals: those of the four classes, then those of real against fake."""
REAL_ABOVE = 0.5
"""A clip is classified as real if p_real is above this."""


@dataclass(frozen=True, kw_only=True)
class SetScores:
    """The figures of one detector on one set under one variant."""

    values: dict[str, float]
    """By figure; NaN where it is not defined."""
    draws: dict[str, Floats]
    """(draws,), by figure."""
    clips: int
    missing: tuple[str, ...]
    """Ids of the clips without a prediction; no figure counts them."""
    confusion: Floats | None
    """(4, 4), rows are the truth; None for a binary detector."""
    is_real: Bools
    p_real: Floats
    """(n,), of the clips with a prediction."""
    reliability: Reliability
    """Of p_real."""
    fewest: int
    """Smallest number of these clips that have one label, among the labels that occur; 0 without clips."""

    def interval(self, figure: str) -> tuple[float, float]:
        """Return the 95 % interval of a figure; NaN if it is not defined."""
        return interval(self.draws[figure])


def score_set(rows: pd.DataFrame, bootstrap: Bootstrap) -> SetScores:
    """Return the figures of a set.

    Args:
        rows: a row per clip with the columns clip_id, label and `PROBABILITIES`; null where there is no prediction. The
            three of the anomalies are null for a binary detector.
        bootstrap: gives the draws.
    """
    rows = rows.sort_values("clip_id", ignore_index=True)
    truth = rows["label"].to_numpy(np.int64)
    probabilities = rows[list(PROBABILITIES)].to_numpy(np.float64, na_value=np.nan)
    p_real = probabilities[:, Label.REAL]
    usable = ~np.isnan(p_real)
    counts = bootstrap.counts(truth, rows["clip_id"].tolist())[:, usable]
    truth, four, p_real = truth[usable], probabilities[usable], p_real[usable]
    has_four = bool(len(four)) and not np.isnan(four).any()
    is_real = truth == Label.REAL
    now = _figures(truth, four if has_four else None, p_real, metrics.once(len(truth)))
    matrix = (
        metrics.confusion(truth, four.argmax(axis=1), len(Label), metrics.once(len(truth)))[0] if has_four else None
    )
    return SetScores(
        values={figure: float(values[0]) for figure, values in now.items()},
        draws=_figures(truth, four if has_four else None, p_real, counts),
        clips=len(truth),
        missing=tuple(rows.loc[~usable, "clip_id"]),
        confusion=matrix,
        is_real=is_real,
        p_real=p_real,
        reliability=reliability(is_real, p_real),
        fewest=int(np.unique(truth, return_counts=True)[1].min(initial=len(truth))),
    )


def _figures(truth: Ints, four: Floats | None, p_real: Floats, counts: Counts) -> dict[str, Floats]:
    is_real = truth == Label.REAL
    called = (p_real > REAL_ABOVE).astype(np.int64)
    binary = metrics.confusion(is_real.astype(np.int64), called, 2, counts)
    undefined = np.full(len(counts), np.nan)
    figures = dict.fromkeys(FIGURES, undefined)
    figures |= {"binary_accuracy": metrics.accuracy(binary), "binary_auc": metrics.auc(is_real, p_real, counts)}
    if four is not None:
        matrices = metrics.confusion(truth, four.argmax(axis=1), four.shape[1], counts)
        figures |= {"accuracy": metrics.accuracy(matrices), "macro_f1": metrics.macro_f1(matrices)}
        figures |= {"auc": metrics.macro_auc(truth, four, counts)}
    return figures
