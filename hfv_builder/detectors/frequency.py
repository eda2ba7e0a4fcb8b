"""The input of F3-Net: bands of an image's spectrum, and statistics of local spectra (Qian et al., ECCV 2020).

The discrete cosine transform is the orthonormal one of type II. A band is a fixed mask plus a learnt one, which
σ(w) = (1 − exp(−w)) / (1 + exp(−w)) keeps in (−1, 1); learnt masks begin at zero.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

LIMITS = (0.0, 1 / 16, 1 / 8, 1.0)
"""Limits of the low, the middle and the high band of an image, as shares of the highest frequency."""
WINDOW, STRIDE, BANDS = 10, 2, 6
"""Of the local spectra."""
PADDING = 4
"""Pixels of padding around the image, so that windows begin near its border: 299 pixels give 149 windows."""
LEAST = 1e-4
"""Added to the sum of a local band before its logarithm is taken, since the sum is 0 on a uniform surface."""
LUMA = (0.299, 0.587, 0.114)
"""From RGB to brightness."""


def cosine_matrix(side: int) -> Tensor:
    """Return the matrix C of the transform, (side, side) float32: C X Cᵀ is the spectrum of X, and Cᵀ S C its image."""
    places = torch.arange(side, dtype=torch.float64)
    matrix: Tensor = torch.cos(torch.pi * places[:, None] * (2 * places + 1) / (2 * side)) * (2 / side) ** 0.5
    matrix[0] /= 2**0.5
    return matrix.float()


def band_masks(side: int, limits: tuple[float, ...]) -> Tensor:
    """Return a mask per band of a spectrum, (bands, side, side) of 0 and 1. Every place is in one band.

    Args:
        side: of the spectrum.
        limits: where bands begin and end, from 0 to 1, as shares of the highest frequency u + v = 2 (side − 1).
    """
    places = torch.arange(side, dtype=torch.float64)
    share = (places[:, None] + places) / (2 * (side - 1))
    masks = [(share >= low) & ((share < high) | (high == limits[-1])) for low, high in pairwise(limits)]
    return torch.stack(masks).float()


def squeezed(weights: Tensor) -> Tensor:
    """Return σ(w) in (−1, 1)."""
    return torch.tanh(weights / 2)


class SpectralBands(nn.Module):
    """Frequency-aware decomposition: the low, middle and high frequencies of the image, and the image itself."""

    cosine: Tensor
    masks: Tensor

    def __init__(self, side: int) -> None:
        """Make the bands of images of `side` pixels."""
        super().__init__()
        self.register_buffer("cosine", cosine_matrix(side), persistent=False)
        self.register_buffer("masks", band_masks(side, LIMITS), persistent=False)
        self.learnt = nn.Parameter(torch.zeros_like(self.masks))

    def forward(self, images: Tensor) -> Tensor:
        """Return the bands of images, (n, 3, side, side) to (n, 12, side, side)."""
        spectrum = self.cosine @ images @ self.cosine.T
        bands = [self.cosine.T @ (spectrum * mask) @ self.cosine for mask in self.masks + squeezed(self.learnt)]
        return torch.cat([*bands, images], dim=1)


class LocalStatistics(nn.Module):
    """Local frequency statistics: log10 of the sums of six bands of the spectrum around each second pixel."""

    cosine: Tensor
    masks: Tensor
    luma: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("cosine", cosine_matrix(WINDOW), persistent=False)
        limits = tuple(band / BANDS for band in range(BANDS + 1))
        self.register_buffer("masks", band_masks(WINDOW, limits), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA), persistent=False)
        self.learnt = nn.Parameter(torch.zeros_like(self.masks))

    def forward(self, images: Tensor) -> Tensor:
        """Return the statistics of images, (n, 3, H, W) to (n, 6, h, w) with h = ⌊(H + 8 − 10) / 2⌋ + 1."""
        grey = (images * self.luma[:, None, None]).sum(dim=1, keepdim=True)
        height, width = ((size + 2 * PADDING - WINDOW) // STRIDE + 1 for size in images.shape[-2:])
        windows = unfold(grey, WINDOW, padding=PADDING, stride=STRIDE).transpose(1, 2)
        windows = windows.reshape(len(images), -1, WINDOW, WINDOW)
        spectra = self.cosine @ windows @ self.cosine.T
        bands = self.masks + squeezed(self.learnt)
        sums = spectra.abs().flatten(2) @ bands.abs().flatten(1).T  # |s · b| = |s| · |b|
        return torch.log10(sums.transpose(1, 2) + LEAST).reshape(len(images), BANDS, height, width)
