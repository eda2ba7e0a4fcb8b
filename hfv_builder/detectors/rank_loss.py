"""The loss of `humansam`: cross-entropy weighted by the rank of a clip among those of its label (paper, eq. 6 to 9)."""

import math
from typing import Literal

import numpy as np
import pandas as pd
from torch import Tensor
from torch.nn.functional import cross_entropy

from hfv_builder.detectors.base import Floats
from hfv_builder.records import Label, UsageError

Emphasis = Literal["weakest", "strongest"]


def rank_weights(rows: pd.DataFrame, emphasis: Emphasis) -> Floats:
    """Return the weight of each clip, (n,) in [1, log(e + 1)]; 1 of real clips, which have no rank.

    Args:
        rows: columns label, and r_hat: the rank among the clips of the label divided by their number, the most
            anomalous clip first (eq. 6).
        emphasis: `weakest` is log(e + r_hat), eq. 7, which is larger for clips whose anomaly is weak; `strongest` is
            log(e + 1 − r_hat), which follows the text of the paper.

    Raises:
        UsageError: a clip that is not real has no r_hat.
    """
    is_real = rows["label"].eq(Label.REAL).to_numpy()
    r_hat = rows["r_hat"].to_numpy(np.float64, na_value=np.nan)
    if count := int((np.isnan(r_hat) & ~is_real).sum()):
        raise UsageError(
            f"{count} of {int((~is_real).sum())} forged clips to train with have no r_hat: set rank_loss = false, or "
            "train with a release that `hfv release` made"
        )
    shares = r_hat if emphasis == "weakest" else 1 - r_hat
    return np.asarray(np.where(is_real, 1.0, np.log(math.e + shares)))


def weighted_loss(logits: Tensor, truth: Tensor, weights: Tensor, *, smoothing: float) -> Tensor:
    """Return the mean of the weighted cross-entropies (eq. 8 and 9), a scalar.

    Args:
        logits: (n, classes).
        truth: (n,), class ids.
        weights: (n,).
        smoothing: share of a label that all classes get.
    """
    losses = cross_entropy(logits.float(), truth, label_smoothing=smoothing, reduction="none")
    return (losses * weights).mean()
