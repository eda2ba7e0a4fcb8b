"""Backward warping, occlusion masks and warp error for batches of frame pairs.

Warp error: Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018; Lei et al., "Blind Video Temporal
Consistency via Deep Video Prior", NeurIPS 2020; as used by EvalCrafter. Occlusion and motion boundaries: Sundaram
et al., "Dense Point Trajectories by GPU-accelerated Large Displacement Optical Flow", ECCV 2010.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

CONSISTENCY = (0.01, 0.5)
"""Relative and absolute tolerance of forward against backward flow; the second in pixels²."""
BOUNDARY = (0.01, 0.002)
"""Relative and absolute squared gradient above which a pixel lies on a motion boundary."""
MIN_VISIBLE = 0.01
"""A pair with a smaller share of compared pixels has no warp error."""
AT_ONCE = 1 << 16
"""Number of pixels that are warped in one call on a CPU: their coordinates fit into its caches."""


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Return the image warped backward along the flow: I(x + F(x)), bilinear, with the border repeated outside.

    Computed in float64: the normalised coordinates of `grid_sample` are too coarse in float32 to hit whole pixels.

    Args:
        image: (n, C, H, W) float.
        flow: (n, 2, H, W) float, horizontal and vertical displacement in pixels.

    Returns:
        (n, C, H, W), dtype of `image`.
    """
    (height, width), count = image.shape[-2:], len(image)
    images, rows = (1, max(1, AT_ONCE // width)) if image.device.type == "cpu" else (count, height)
    warped = torch.empty_like(image)
    for start in range(0, count, images):
        part = slice(start, start + images)
        source = image[part].double()
        for top in range(0, height, rows):
            block = slice(top, top + rows)
            x, y = _targets(flow[part, :, block].double(), top)
            grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
            warped[part, :, block] = grid_sample(source, grid, padding_mode="border", align_corners=False)
    return warped


def visible(forward: Tensor, backward: Tensor) -> Tensor:
    """Return the mask of pixels of the first frame that are visible in the second, M of the warp error.

    A pixel is not visible where forward and backward flow disagree, |F + B̃|² > 0.01 (|F|² + |B̃|²) + 0.5 with
    B̃(x) = B(x + F(x)); where x + F(x) is outside the frame; and at motion boundaries, |∇F|² > 0.01 |F|² + 0.002, with
    the gradient by forward differences as in Lai et al.

    Args:
        forward: (n, 2, H, W) float, flow from the first to the second frame in pixels.
        backward: (n, 2, H, W) float, flow from the second to the first frame in pixels.

    Returns:
        (n, H, W) bool, True = visible.
    """
    height, width = forward.shape[-2:]
    returned = warp(backward, forward)
    length, length_back = _square(forward), _square(returned)
    consistent = _square(forward + returned) <= CONSISTENCY[0] * (length + length_back) + CONSISTENCY[1]
    x, y = _targets(forward)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    gradient = torch.zeros_like(length)
    gradient[:, :, :-1] += _square(forward[..., 1:] - forward[..., :-1])
    gradient[:, :-1, :] += _square(forward[..., 1:, :] - forward[..., :-1, :])
    return consistent & inside & (gradient <= BOUNDARY[0] * length + BOUNDARY[1])


class SquaredErrors(NamedTuple):
    """The squared difference between A_t(x) and A_{t+1}(x + F(x)) of n pairs of frames, averaged over channels."""

    pixels: Tensor
    """(n, H, W) float."""
    valid: Tensor
    """(n,) bool, False for a pair whose flow is not finite."""

    def mean(self, mask: Tensor | None = None) -> Tensor:
        """Return the warp error E_t of each pair; see `warp_error`."""
        if mask is None:
            error = self.pixels.mean(dim=(1, 2), dtype=torch.float64)
            return error.where(self.valid & error.isfinite(), torch.inf)
        count = mask.sum(dim=(1, 2), dtype=torch.float64)
        # `where` instead of a product: 0 · inf is NaN, and masked pixels must not count.
        error = self.pixels.where(mask, 0).sum(dim=(1, 2), dtype=torch.float64) / count
        error = error.where(error.isfinite(), torch.inf)
        return error.where(count >= MIN_VISIBLE * mask[0].numel(), torch.nan).where(self.valid, torch.inf)


def squared_errors(
    first: Tensor, second: Tensor, flow: Tensor, mask: Tensor | None = None, *, align: bool = False
) -> SquaredErrors:
    """Return the squared differences of each pair at all pixels; for the arguments see `warp_error`.

    The mask restricts only the pixels to which the factor of `align` is fitted.
    """
    warped = warp(second, flow)
    if align:
        warped = warped * _least_squares(first, warped, mask)[:, None, None, None]
    return SquaredErrors((first - warped).square().mean(dim=1), finite(flow))


def warp_error(
    first: Tensor, second: Tensor, flow: Tensor, mask: Tensor | None = None, *, align: bool = False
) -> Tensor:
    """Return E_t of each pair, the mean squared difference between A_t(x) and A_{t+1}(x + F(x)).

    Args:
        first: (n, C, H, W) float in [0, 1], A_t.
        second: (n, C, H, W) float in [0, 1], A_{t+1}.
        flow: (n, 2, H, W) float, flow from first to second in pixels.
        mask: (n, H, W) bool, the pixels to compare; None compares all.
        align: whether the warped A_{t+1} is multiplied by the factor that minimises E_t.

    Returns:
        (n,) float64, the mean over compared pixels and channels. NaN if less than 1 % of the pixels are compared;
        infinity if a compared value or the flow is not finite (such flow has an empty mask, but is an error).
    """
    return squared_errors(first, second, flow, mask, align=align).mean(mask)


def finite(flow: Tensor) -> Tensor:
    """Return whether all values of each flow are finite: (n, 2, H, W) float32 to (n,) bool."""
    return flow.sum(dim=(1, 2, 3), dtype=torch.float64).isfinite()  # a third of the time of `isfinite` on every value


def _least_squares(first: Tensor, second: Tensor, mask: Tensor | None) -> Tensor:
    """Return the s that minimises Σ M (a − s b)² for each pair, (n,); 1 if M b is 0 everywhere."""
    products = (first * second, second.square())
    if mask is not None:
        products = (products[0].where(mask[:, None], 0), products[1].where(mask[:, None], 0))
    cross, square = (product.sum(dim=(1, 2, 3), dtype=torch.float64) for product in products)
    return torch.where(square > 0, cross / square, 1.0).to(first.dtype)


def _targets(flow: Tensor, top: int = 0) -> tuple[Tensor, Tensor]:
    """Return x + F(x) as columns and rows, both (n, H, W), of flow whose first row is row `top` of the image."""
    height, width = flow.shape[-2:]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    rows = torch.arange(top, top + height, dtype=flow.dtype, device=flow.device)
    return flow[:, 0] + columns, flow[:, 1] + rows[:, None]


def _square(vectors: Tensor) -> Tensor:
    """Return the squared length of the vectors: (n, 2, H, W) to (n, H, W)."""
    return vectors[:, 0].square() + vectors[:, 1].square()
