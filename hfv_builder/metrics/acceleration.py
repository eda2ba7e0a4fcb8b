"""Flow acceleration: the change of optical flow from one step to the next.

Our own metric for classical flow, whose masked warp error is insensitive to motion anomalies. Where objects suddenly
grow, shrink or stretch, the acceleration points away from a centre or towards it. This scaling part is separated from
the rest, because it is a spatial anomaly and not a motion anomaly.
"""

import torch
from torch import Tensor

from hfv_builder.metrics.warping import warp

REST = 0.05
"""Pixels/frame, added to the clip's mean speed to avoid a division by zero for a still clip."""
LEAST = 0.3
"""Pixels/frame²; the scaling part is fitted only to pixels with more acceleration than this."""
SHARE = 0.25
"""The scaling part is fitted only to pixels with more than this share of the step's largest acceleration."""
EXPLAINED = 0.2
"""A step has a scaling part only if removing it reduces the mean acceleration by more than this share. Any random
acceleration has a scaling part that explains less."""
FLOOR = 0.1
"""Pixels/frame², added to the clip's scaling so that the spatial order of clips without scaling is kept."""


def without_shift(flow: Tensor) -> Tensor:
    """Return G_t = F_t − median_x F_t, the flow without the camera's shift: (n, 2, H, W) to (n, 2, H, W).

    The median of an even number of pixels is the mean of the two middle values, so that mirroring a clip mirrors its
    result.
    """
    flat = flow.flatten(2)
    lower = flat.median(dim=2, keepdim=True).values
    above = flat.where(flat > lower, torch.inf).amin(dim=2, keepdim=True)
    upper = lower.where((flat <= lower).sum(dim=2, keepdim=True) > flat.shape[2] // 2, above)
    return flow - ((lower + upper) / 2)[..., None]


def flow_acceleration(flow: Tensor, relative: Tensor, following: Tensor) -> Tensor:
    """Return a_t(x) = G_{t+1}(x + F_t(x)) − G_t(x) for each step.

    Args:
        flow: (n, 2, H, W), F_t in pixels.
        relative: (n, 2, H, W), G_t, the flow without the shift.
        following: (n, 2, H, W), G_{t+1}.

    Returns:
        (n, 2, H, W), pixels/frame².
    """
    return warp(following, flow) - relative


def lengths_of_parts(acceleration: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean length of the acceleration without and of its scaling part, for each step.

    The scaling part scales the image about a centre, with one factor per axis. It is fitted to the pixels with large
    ‖a‖, weighted by w = ‖a‖. With their weighted centre (x̄, ȳ) and weighted mean acceleration ā, it is
    (k_x (x − x̄), k_y (y − ȳ)) on these pixels, where k_x = Σ w (a_x − ā_x)(x − x̄) / Σ w (x − x̄)² and k_y likewise,
    and 0 on all others. It is 0 for a step in which it does not reduce the mean ‖a‖ by more than 20 %.

    Args:
        acceleration: (n, 2, H, W), pixels/frame².

    Returns:
        max(0, mean ‖a‖ − mean ‖s‖) and mean ‖s‖ of the scaling part s, both (n,) float64 in pixels/frame²; NaN if the
        acceleration is not finite.
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
    whole, left, scaling = (lengths.mean(dim=(1, 2), dtype=torch.float64) for lengths in (size, left, scaling))
    scaling = scaling.where(whole - left > EXPLAINED * whole, 0).where(largest.isfinite(), torch.nan)
    return (whole - scaling).clamp(min=0), scaling


def _scaling(weight: Tensor, value: Tensor, axis: int) -> Tensor:
    """Return the scaling part k (x − x̄) at each coordinate of an axis of the image.

    Args:
        weight: (n, H, W).
        value: (n, H, W), the component of the acceleration along the axis.
        axis: 2 for x, 1 for y.

    Returns:
        (n, W) for x or (n, H) for y, dtype of `value`.
    """
    # Sums over the other axis suffice, since x is constant along it.
    sums, moments = (pixels.sum(dim=3 - axis, dtype=torch.float64) for pixels in (weight, weight * value))
    total = sums.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    place = torch.arange(sums.shape[1], dtype=torch.float64, device=value.device)
    place = place - (sums * place).sum(dim=1, keepdim=True) / total
    spread = (sums * place.square()).sum(dim=1, keepdim=True)
    factor = (moments * place).sum(dim=1, keepdim=True) / spread
    return (factor.where(spread > 0, 0) * place).to(value.dtype)


def relative_to_speed(pooled: float, mean_speed: float) -> float:
    """Return the motion score: pooled acceleration / √(v + 0.05), where v is the clip's mean ‖G‖ in pixels/frame."""
    return float(pooled / (mean_speed + REST) ** 0.5)


def raised_by_scaling(pooled: float, scaling: float) -> float:
    """Return the spatial score: pooled warp error · √(s + 0.1), where s is the pooled scaling in pixels/frame²."""
    return float(pooled * (scaling + FLOOR) ** 0.5)


def mean_length(vectors: Tensor) -> Tensor:
    """Return mean_x ‖V(x)‖: (n, 2, H, W) to (n,) float64."""
    return _length(vectors[:, 0], vectors[:, 1]).mean(dim=(1, 2), dtype=torch.float64)


def _length(across: Tensor, down: Tensor) -> Tensor:
    return (across.square() + down.square()).sqrt()
