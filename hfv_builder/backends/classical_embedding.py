"""Frame embedding without weights: the joint colour histogram of the whole frame or of the subject."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfv_builder.backends.classical_light import levelled_lab, unscaled
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.size import shrink
from hfv_builder.profiles.profile import Embedding

Region = Literal["frame", "subject"]
LONG_SIDE = 160
"""Pixels; frames with a longer side are shrunk to it."""
BINS = (4, 12, 12)
"""Bins of L, a and b."""
LOW, HIGH = (0.0, -50.0, -50.0), (100.0, 50.0, 50.0)
"""Range of the bins; colours outside it count in the outermost bins."""
NEIGHBOURS = 3
"""Frames on each side over which a histogram is averaged; fewer in a clip of less than seven frames."""


class LabHistogram:
    """Embedding model: the square root of the region's histogram, L2-normalised, a vector of length 576."""

    def __init__(self, region: Region) -> None:
        self.region = region

    def begin(self) -> "LabHistogramPass":
        """Return a new pass for one clip."""
        return LabHistogramPass(self.region)


class LabHistogramPass:
    """One clip. Keeps all frames, shrunk, because light and activity are relative to the whole clip."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._frames: list[npt.NDArray[np.uint8]] = []

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""
        self._frames.append(shrink(frames.cpu().numpy(), LONG_SIDE))

    def compute(self) -> Tensor:
        """Return one vector per frame, (T, 576) float32, L2-normalised."""
        lab = levelled_lab(np.concatenate(self._frames))
        weight = np.ones(lab.shape[1:3]) if self._region == "frame" else subject_weight(lab)
        bins = np.stack([histogram(frame, weight) for frame in lab])
        reach = min(NEIGHBOURS, (len(bins) - 1) // 2)  # averages over all frames of a short clip would be equal
        mean = np.stack([bins[max(0, t - reach) : t + reach + 1].mean(axis=0) for t in range(len(bins))])
        root = torch.from_numpy(np.sqrt(mean))
        return torch.nn.functional.normalize(root, dim=1).float()


def subject_weight(lab: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return how likely each pixel shows the subject, (h, w) float64 in [0, 1].

    Half of the weight falls off with the distance from the centre of the frame, half is the change over time.

    Args:
        lab: (T, h, w, 3) uint8, a whole clip, the output of `levelled_lab`.
    """
    height, width = lab.shape[1:3]
    y, x = np.mgrid[:height, :width]
    across, down = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5
    centre = np.exp(-(across**2 / (2 * 0.2**2) + down**2 / (2 * 0.3**2)))
    total, squares = np.zeros((2, height, width, 3))
    for frame in lab:
        cv2.accumulate(frame, total)
        cv2.accumulateSquare(frame, squares)
    deviation = np.sqrt(np.maximum(squares / len(lab) - (total / len(lab)) ** 2, 0))
    spread = (deviation * (100 / 255, 1, 1)).sum(axis=2)
    activity = cv2.GaussianBlur(spread, (0, 0), 4)
    return np.asarray(0.5 * centre + 0.5 * activity / (activity.max() + 1e-6))


def histogram(lab: npt.NDArray[np.uint8], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weighted joint histogram of a frame with linear binning: (h, w, 3) and (h, w) to (576,), sums to 1."""
    index = cv2.transform(cv2.LUT(lab, LOWER), np.ones((1, 3))).astype(np.int64).ravel()
    upper = np.ascontiguousarray(cv2.LUT(lab, UPPER).reshape(-1, 3).T)
    total = np.zeros(np.prod(BINS))
    parts = [(index, weight.ravel())]
    for share, stride in zip(upper, STRIDES, strict=True):
        parts = [
            part
            for bins, shares in parts
            for part in ((bins, shares - shares * share), (bins + stride, shares * share))
        ]
    for bins, shares in parts:
        total += np.bincount(bins, weights=shares, minlength=len(total))
    sums: npt.NDArray[np.float64] = total / total.sum()
    return sums


def _linear_bins() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return, for each 8-bit value, the offset of the lower of its two bins and the share of the upper one.

    Both are (1, 256, 3), lookup tables for `cv2.LUT`.
    """
    values = unscaled(np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2))
    low, high, bins = np.array(LOW), np.array(HIGH), np.array(BINS)
    place = np.clip((values - low) / (high - low) * bins - 0.5, 0, bins - 1)
    lower = np.minimum(np.floor(place), bins - 2)
    return lower * STRIDES, place - lower


STRIDES = (BINS[1] * BINS[2], BINS[2], 1)
LOWER, UPPER = _linear_bins()


def load(config: Embedding, device: str, store: WeightsDir) -> LabHistogram:
    """Return the model that the profile describes. It needs no weights and always runs on the CPU."""
    return LabHistogram(config.region)
