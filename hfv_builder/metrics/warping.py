"""Backward warping, occlusion and warp error, over batches of frame pairs.

Warp error: Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018; Lei et al., "Blind Video Temporal
Consistency via Deep Video Prior", NeurIPS 2020; as used by EvalCrafter. Occlusion and motion boundaries: Sundaram
et al., "Dense Point Trajectories by GPU-accelerated Large Displacement Optical Flow", ECCV 2010.
"""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

MIN_VISIBLE = 0.01
"""Share of the pixels that must be left to compare; a pair with less has no warp error."""


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """The image pulled back along the flow: the value at x + F(x), bilinear, the border repeated outside.

    Worked in float64: in float32 the normalised coordinates of `grid_sample` would miss whole pixels.

    Args:
        image: (n, C, H, W) float.
        flow: (n, 2, H, W) float, horizontal and vertical displacement in pixels.

    Returns:
        (n, C, H, W), dtype of the image.
    """
    height, width = image.shape[-2:]
    x, y = _targets(flow.double())
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    return grid_sample(image.double(), grid, padding_mode="border", align_corners=False).to(image.dtype)


def visible(forward: Tensor, backward: Tensor) -> Tensor:
    """The pixels of the first frame that the second frame shows too, M of the warp error.

    Left out: where the flows disagree, |F + B∘F|² > 0.01 (|F|² + |B∘F|²) + 0.5; where x + F(x) leaves the frame;
    motion boundaries, |∇F|² > 0.01 |F|² + 0.002, the gradient by forward differences as in Lai et al.

    Args:
        forward: (n, 2, H, W) flow from the first to the second frame, pixels.
        backward: (n, 2, H, W) flow from the second to the first frame, pixels.

    Returns:
        (n, H, W) bool, true = visible.
    """
    height, width = forward.shape[-2:]
    returned = warp(backward, forward)
    length, length_back = _square(forward), _square(returned)
    consistent = _square(forward + returned) <= 0.01 * (length + length_back) + 0.5
    x, y = _targets(forward)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    gradient = torch.zeros_like(length)
    gradient[:, :, :-1] += _square(forward[..., 1:] - forward[..., :-1])
    gradient[:, :-1, :] += _square(forward[..., 1:, :] - forward[..., :-1, :])
    return consistent & inside & (gradient <= 0.01 * length + 0.002)


def warp_error(
    first: Tensor, second: Tensor, flow: Tensor, mask: Tensor | None = None, *, align: bool = False
) -> Tensor:
    """E_t for each pair: the mean squared difference of A_t(x) and A_{t+1}(x + F(x)).

    Args:
        first: (n, C, H, W) float in [0, 1].
        second: (n, C, H, W) float in [0, 1].
        flow: (n, 2, H, W) from first to second, pixels.
        mask: (n, H, W) bool, the pixels to compare; None compares all.
        align: multiply each A_{t+1} by the factor that makes E_t smallest.

    Returns:
        (n,) float64, mean over compared pixels and channels; NaN where under 1 % of the pixels are left; infinity where
        what is compared is not finite, or the flow, which would look as if nothing were left.
    """
    warped = warp(second, flow)
    valid = flow.isfinite().flatten(1).all(dim=1)
    if align:
        warped = warped * _least_squares(first, warped, mask)[:, None, None, None]
    squared = (first - warped).square().mean(dim=1)
    if mask is None:
        error = squared.mean(dim=(1, 2), dtype=torch.float64)
        return error.where(valid & error.isfinite(), torch.inf)
    left = mask.sum(dim=(1, 2), dtype=torch.float64)
    # Not by multiplication: what is not finite and not compared must not count.
    error = squared.where(mask, 0).sum(dim=(1, 2), dtype=torch.float64) / left
    error = error.where(error.isfinite(), torch.inf)
    return error.where(left >= MIN_VISIBLE * mask[0].numel(), torch.nan).where(valid, torch.inf)


def _least_squares(first: Tensor, second: Tensor, mask: Tensor | None) -> Tensor:
    """The s that makes Σ M (a − s b)² smallest, for each pair, (n,); 1 where b is nothing."""
    products = (first * second, second.square())
    if mask is not None:
        products = (products[0].where(mask[:, None], 0), products[1].where(mask[:, None], 0))
    across, square = (each.sum(dim=(1, 2, 3), dtype=torch.float64) for each in products)
    return torch.where(square > 0, across / square, 1.0).to(first.dtype)


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """X + F(x): columns and rows, each (n, H, W)."""
    height, width = flow.shape[-2:]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)
    return flow[:, 0] + columns, flow[:, 1] + rows[:, None]


def _square(vectors: Tensor) -> Tensor:
    """Squared length over the channel axis: (n, 2, H, W) to (n, H, W)."""
    return vectors[:, 0].square() + vectors[:, 1].square()
