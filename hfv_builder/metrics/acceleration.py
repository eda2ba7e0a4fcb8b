"""Flow acceleration: how badly the flow of one step continues that of the step before.

Ours, for classical flow: its masked warp error hardly sees a motion anomaly. Where things suddenly grow, shrink or
stretch, the acceleration points away from a centre or towards it; this scaling part is told apart from the rest, for it
is an anomaly of space and not of motion.
"""

import torch
from torch import Tensor

from hfv_builder.metrics.warping import warp

REST = 0.05
"""Pixels a frame, added to the clip's mean speed so that a still clip is not divided by nothing."""
LEAST = 0.3
"""Pixels a frame²; less acceleration takes no part in the search for a scaling part."""
SHARE = 0.25
"""Nor does less than this share of the largest of the step."""
FLOOR = 0.001
"""Pixels a frame², added to the clip's scaling so that a clip without any keeps its spatial order."""


def without_shift(flow: Tensor) -> Tensor:
    """G_t = F_t − median_x F_t: the flow without the camera's shift; (n, 2, H, W) to the same.

    Of an even number of pixels the median is the mean of the two in the middle, as a mirrored clip needs.
    """
    flat = flow.flatten(2)
    lower, upper = flat.median(dim=2).values, -(-flat).median(dim=2).values
    return flow - ((lower + upper) / 2)[..., None, None]


def flow_acceleration(flow: Tensor, relative: Tensor, following: Tensor) -> Tensor:
    """a_t(x) = G_{t+1}(x + F_t(x)) − G_t(x) for each step.

    Args:
        flow: (n, 2, H, W), F_t in pixels.
        relative: (n, 2, H, W), G_t: the same without the shift.
        following: (n, 2, H, W), G_{t+1}.

    Returns:
        (n, 2, H, W), pixels a frame².
    """
    return warp(following, flow) - relative


def scaling_part(acceleration: Tensor) -> Tensor:
    """The part of an acceleration that scales the picture about a centre, along each axis by its own factor.

    Over the pixels where ‖a‖ is large, weighted by ‖a‖: with their centre x̄ and mean ā, the part is
    (k_x (x − x̄), k_y (y − ȳ)), k_x = Σ w (a_x − ā_x)(x − x̄) / Σ w (x − x̄)², and so k_y; elsewhere it is 0.

    Args:
        acceleration: (n, 2, H, W), pixels a frame².

    Returns:
        The same.
    """
    size = torch.hypot(acceleration[:, 0], acceleration[:, 1]).double()
    least = (SHARE * size.amax(dim=(1, 2))).clamp(min=LEAST)
    weight = size.where(size > least[:, None, None], 0)
    total = weight.sum(dim=(1, 2)).clamp(min=torch.finfo(torch.float64).tiny)
    part = torch.zeros_like(acceleration)
    for axis, count in enumerate((acceleration.shape[3], acceleration.shape[2])):
        along = torch.arange(count, dtype=torch.float64, device=acceleration.device)
        place = (along if axis == 0 else along[:, None]).expand_as(weight)
        value = acceleration[:, axis].double()
        place = place - ((weight * place).sum(dim=(1, 2)) / total)[:, None, None]
        value = value - ((weight * value).sum(dim=(1, 2)) / total)[:, None, None]
        spread = (weight * place.square()).sum(dim=(1, 2))
        factor = torch.where(spread > 0, (weight * value * place).sum(dim=(1, 2)) / spread, 0)
        part[:, axis] = (factor[:, None, None] * place).where(weight > 0, 0).to(part.dtype)
    return part


def lengths_of_parts(acceleration: Tensor) -> tuple[Tensor, Tensor]:
    """Mean length of the acceleration without its scaling part, and of that part.

    Returns:
        Twice (n,) float64, pixels a frame²; NaN where the acceleration is not finite.
    """
    part = scaling_part(acceleration)
    finite = acceleration.isfinite().flatten(1).all(dim=1)
    rest, scaling = mean_length(acceleration - part), mean_length(part)
    return rest.where(finite, torch.nan), scaling.where(finite, torch.nan)


def relative_to_speed(pooled: float, mean_speed: float) -> float:
    """The motion score: the clip's pooled acceleration over √(v + 0.05), v its mean speed ‖G‖ in pixels a frame."""
    return float(pooled / (mean_speed + REST) ** 0.5)


def raised_by_scaling(pooled: float, scaling: float) -> float:
    """The spatial score: the clip's pooled warp error times √(s + 0.001), s its pooled scaling in pixels a frame²."""
    return float(pooled * (scaling + FLOOR) ** 0.5)


def mean_length(vectors: Tensor) -> Tensor:
    """mean_x ‖V(x)‖: (n, 2, H, W) to (n,) float64."""
    return torch.hypot(vectors[:, 0], vectors[:, 1]).mean(dim=(1, 2), dtype=torch.float64)
