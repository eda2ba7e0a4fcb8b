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
EXPLAINED = 0.2
"""A step has a scaling part only if more than this share of its acceleration goes away with it: any disorder has one
that explains less."""
FLOOR = 0.1
"""Pixels a frame², added to the clip's scaling so that a clip without any keeps its spatial order."""


def without_shift(flow: Tensor) -> Tensor:
    """G_t = F_t − median_x F_t: the flow without the camera's shift; (n, 2, H, W) to the same.

    Of an even number of pixels the median is the mean of the two in the middle, as a mirrored clip needs.
    """
    flat = flow.flatten(2)
    lower = flat.median(dim=2, keepdim=True).values
    above = flat.where(flat > lower, torch.inf).amin(dim=2, keepdim=True)
    upper = lower.where((flat <= lower).sum(dim=2, keepdim=True) > flat.shape[2] // 2, above)
    return flow - ((lower + upper) / 2)[..., None]


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


def lengths_of_parts(acceleration: Tensor) -> tuple[Tensor, Tensor]:
    """Mean length of the acceleration less that of its scaling part, but at least 0, and of that part, for each step.

    The scaling part is what scales the picture about a centre, along each axis by a factor of its own. Over the pixels
    where ‖a‖ is large, weighted by ‖a‖: with their centre x̄ and mean ā, it is (k_x (x − x̄), k_y (y − ȳ)),
    k_x = Σ w (a_x − ā_x)(x − x̄) / Σ w (x − x̄)², and so k_y; elsewhere it is 0. It is 0 everywhere in a step where
    it does not shorten the mean ‖a‖ by more than a fifth.

    Args:
        acceleration: (n, 2, H, W), pixels a frame².

    Returns:
        Twice (n,) float64, pixels a frame²; NaN where the acceleration is not finite.
    """
    across, down = acceleration[:, 0], acceleration[:, 1]
    size = _length(across, down)
    largest = size.amax(dim=(1, 2))
    large = size > (SHARE * largest).clamp(min=LEAST)[:, None, None]
    weight = size * large
    part_across = _scaling(weight, across, 2)[:, None, :]
    part_down = _scaling(weight, down, 1)[:, :, None]
    left = _length(across - part_across, down - part_down).where(large, size)
    scaling = _length(part_across, part_down) * large
    whole, left, scaling = (each.mean(dim=(1, 2), dtype=torch.float64) for each in (size, left, scaling))
    scaling = scaling.where(whole - left > EXPLAINED * whole, 0).where(largest.isfinite(), torch.nan)
    return (whole - scaling).clamp(min=0), scaling


def _scaling(weight: Tensor, value: Tensor, axis: int) -> Tensor:
    """The part k (x − x̄) for each place along an axis of the picture.

    Args:
        weight: (n, H, W).
        value: (n, H, W), the component of the acceleration along that axis.
        axis: 2 for x, 1 for y.

    Returns:
        (n, W) or (n, H), dtype of the value.
    """
    # All sums over the pixels come from those over the lines across the axis.
    sums, moments = ((each).sum(dim=3 - axis, dtype=torch.float64) for each in (weight, weight * value))
    total = sums.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    place = torch.arange(sums.shape[1], dtype=torch.float64, device=value.device)
    place = place - (sums * place).sum(dim=1, keepdim=True) / total
    spread = (sums * place.square()).sum(dim=1, keepdim=True)
    factor = (moments * place).sum(dim=1, keepdim=True) / spread
    return (factor.where(spread > 0, 0) * place).to(value.dtype)


def relative_to_speed(pooled: float, mean_speed: float) -> float:
    """The motion score: the clip's pooled acceleration over √(v + 0.05), v its mean speed ‖G‖ in pixels a frame."""
    return float(pooled / (mean_speed + REST) ** 0.5)


def raised_by_scaling(pooled: float, scaling: float) -> float:
    """The spatial score: the clip's pooled warp error times √(s + 0.1), s its pooled scaling in pixels a frame²."""
    return float(pooled * (scaling + FLOOR) ** 0.5)


def mean_length(vectors: Tensor) -> Tensor:
    """mean_x ‖V(x)‖: (n, 2, H, W) to (n,) float64."""
    return _length(vectors[:, 0], vectors[:, 1]).mean(dim=(1, 2), dtype=torch.float64)


def _length(across: Tensor, down: Tensor) -> Tensor:
    return (across.square() + down.square()).sqrt()
