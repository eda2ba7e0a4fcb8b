"""Flow acceleration: how badly the flow of one step continues that of the step before.

Ours, for classical flow (`design` §6): its masked warp error hardly sees a motion anomaly.
"""

import torch
from torch import Tensor

from hfv_builder.metrics.warping import warp

REST = 0.05
"""Pixels a frame, added to the clip's mean speed so that a still clip is not divided by nothing."""


def without_shift(flow: Tensor) -> Tensor:
    """G_t = F_t − median_x F_t: the flow without the camera's shift; (n, 2, H, W) to the same."""
    return flow - flow.flatten(2).median(dim=2).values[..., None, None]


def flow_acceleration(flow: Tensor, relative: Tensor, following: Tensor) -> Tensor:
    """mean_x ‖G_{t+1}(x + F_t(x)) − G_t(x)‖ for each step.

    Args:
        flow: (n, 2, H, W), F_t in pixels.
        relative: (n, 2, H, W), G_t: the same without the shift.
        following: (n, 2, H, W), G_{t+1}.

    Returns:
        (n,) float64, pixels a frame².
    """
    return mean_length(warp(following, flow) - relative)


def relative_to_speed(pooled: float, mean_speed: float) -> float:
    """The clip's score: its pooled acceleration over √(v + 0.05), v its mean speed ‖G‖ in pixels a frame."""
    return float(pooled / (mean_speed + REST) ** 0.5)


def mean_length(vectors: Tensor) -> Tensor:
    """mean_x ‖V(x)‖: (n, 2, H, W) to (n,) float64."""
    return torch.hypot(vectors[:, 0], vectors[:, 1]).mean(dim=(1, 2), dtype=torch.float64)
