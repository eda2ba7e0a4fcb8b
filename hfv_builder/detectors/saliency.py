"""Saliency maps: how a network's answer changes with each pixel of its input (Simonyan et al., arXiv 1312.6034)."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

SPREAD = 32
"""A map is smoothed by a Gaussian whose σ is the side of the image divided by this: gradients of pixels are noisy."""


def gradient_maps(score: Callable[[Tensor], Tensor], inputs: Tensor) -> npt.NDArray[np.float32]:
    """Return how much a score depends on each pixel: |gradient · input|, summed over the channels and smoothed.

    Args:
        score: returns the score of the answer, a scalar tensor, for the inputs.
        inputs: (..., 3, H, W) float32, as the network takes them.

    Returns:
        (n, H, W) float32 in [0, 1], n being the product of the leading sizes; 1 is the largest value of all.
    """
    with torch.enable_grad():
        own = inputs.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(score(own), own)
    raw = (gradient * own).detach().abs().sum(dim=-3).flatten(0, -3).float()
    sigma = max(raw.shape[-2:]) / SPREAD
    maps = gaussian_blur(raw[:, None], [2 * int(2 * sigma) + 1] * 2, [sigma] * 2)[:, 0]
    largest = float(maps.max())
    return np.asarray((maps / largest if largest > 0 else maps).cpu().numpy(), np.float32)
