"""A frame embedding without weights: the joint colour histogram of the subject or of the whole frame."""

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
"""Pixels of the frames that are looked at; larger ones are shrunk."""
BINS = (4, 12, 12)
"""Bins of L, a and b."""
LOW, HIGH = (0.0, -50.0, -50.0), (100.0, 50.0, 50.0)
"""What the bins cover; colours outside count in the outermost bins."""
NEIGHBOURS = 3
"""Frames to each side over which a histogram is averaged."""


class LabHistogram:
    """Histograms of the region of interest, L2-normalised after a square root, as vectors of length 576."""

    def __init__(self, region: Region) -> None:
        self.region = region

    def begin(self) -> "LabHistogramPass":
        """Start a clip."""
        return LabHistogramPass(self.region)


class LabHistogramPass:
    """Keeps the small frames: light and activity are relative to the whole clip."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._frames: list[npt.NDArray[np.uint8]] = []

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""
        self._frames.append(shrink(frames.cpu().numpy(), LONG_SIDE))

    def compute(self) -> Tensor:
        """(T, 576) float32, L2-normalised."""
        lab = levelled_lab(np.concatenate(self._frames))
        weight = np.ones(lab.shape[1:3]) if self._region == "frame" else subject_weight(lab)
        each = np.stack([histogram(frame, weight) for frame in lab])
        mean = np.stack([each[max(0, t - NEIGHBOURS) : t + NEIGHBOURS + 1].mean(axis=0) for t in range(len(each))])
        root = torch.from_numpy(np.sqrt(mean))
        return torch.nn.functional.normalize(root, dim=1).float()


def subject_weight(lab: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Where the subject is likely, (h, w) in [0, 1]: half centre of the frame, half change over time."""
    height, width = lab.shape[1:3]
    y, x = np.mgrid[:height, :width]
    across, down = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5
    centre = np.exp(-(across**2 / (2 * 0.2**2) + down**2 / (2 * 0.3**2)))
    total, squares = np.zeros((2, height, width, 3))
    for frame in lab:
        cv2.accumulate(frame, total)
        cv2.accumulateSquare(frame, squares)
    spread = np.sqrt(np.maximum(squares / len(lab) - (total / len(lab)) ** 2, 0)) @ (100 / 255, 1, 1)
    activity = cv2.GaussianBlur(spread, (0, 0), 4)
    return np.asarray(0.5 * centre + 0.5 * activity / (activity.max() + 1e-6))


def histogram(lab: npt.NDArray[np.uint8], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The weighted joint histogram of a frame with linear binning: (h, w, 3) and (h, w) to (576,), sums to 1."""
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
    """For each 8-bit value where the lower of its two bins begins, and the share of the upper, both (1, 256, 3)."""
    values = unscaled(np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2))
    low, high, bins = np.array(LOW), np.array(HIGH), np.array(BINS)
    place = np.clip((values - low) / (high - low) * bins - 0.5, 0, bins - 1)
    lower = np.minimum(np.floor(place), bins - 2)
    return lower * STRIDES, place - lower


STRIDES = (BINS[1] * BINS[2], BINS[2], 1)
LOWER, UPPER = _linear_bins()


def load(config: Embedding, device: str, store: WeightsDir) -> LabHistogram:
    """The model that the profile describes; it runs on the CPU whatever the device, and needs no weights."""
    return LabHistogram(config.region)
