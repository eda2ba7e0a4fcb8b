"""A frame embedding without weights: the joint colour histogram of the subject or of the whole frame."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfv_builder.backends.classical_light import levelled_lab
from hfv_builder.backends.weights import Store
from hfv_builder.config import Embedding

Region = Literal["frame", "subject"]
BINS = (4, 12, 12)
"""Bins of L, a and b."""
LOW, HIGH = np.array([0, -50, -50], np.float32), np.array([100, 50, 50], np.float32)
"""What the bins cover; colours outside count in the outermost bins."""
NEIGHBOURS = 3
"""Frames to each side over which a histogram is averaged."""


class LabHistogram:
    """Histograms of the region of interest, L2-normalised after a square root, as vectors of length 576."""

    def __init__(self, region: Region) -> None:
        self.region = region

    def begin(self) -> "LabHistogramPass":
        """Start on a clip."""
        return LabHistogramPass(self.region)


class LabHistogramPass:
    """Keeps the small frames: light and activity are relative to the whole clip."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._frames: list[npt.NDArray[np.uint8]] = []

    def add(self, frames: Tensor) -> None:
        """Take the next frames: (n, H, W, 3) uint8 RGB."""
        self._frames.append(frames.cpu().numpy())

    def result(self) -> Tensor:
        """(T, 576) float32, L2-normalised."""
        lab = levelled_lab(np.concatenate(self._frames))
        weight = np.ones(lab.shape[1:3], np.float32) if self._region == "frame" else subject_weight(lab)
        each = np.stack([histogram(frame, weight) for frame in lab])
        mean = np.stack([each[max(0, t - NEIGHBOURS) : t + NEIGHBOURS + 1].mean(axis=0) for t in range(len(each))])
        root = torch.from_numpy(np.sqrt(mean))
        return torch.nn.functional.normalize(root, dim=1).float()


def subject_weight(lab: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Where the subject is likely, (h, w) in [0, 1]: half centre of the frame, half change over time."""
    height, width = lab.shape[1:3]
    y, x = np.mgrid[:height, :width]
    centre = np.exp(-((x / width - 0.5) ** 2 / (2 * 0.2**2) + (y / height - 0.5) ** 2 / (2 * 0.3**2)))
    activity = cv2.GaussianBlur(lab.std(axis=0).sum(axis=-1), (0, 0), 4)
    weight: npt.NDArray[np.float32] = (0.5 * centre + 0.5 * activity / (activity.max() + 1e-6)).astype(np.float32)
    return weight


def histogram(lab: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The weighted joint histogram of a frame with linear binning: (h, w, 3) and (h, w) to (576,), sums to 1."""
    bins = np.array(BINS)
    place = (lab.reshape(-1, 3) - LOW) / (HIGH - LOW) * bins.astype(np.float32) - np.float32(0.5)
    place = np.clip(place, 0, bins - 1, dtype=np.float32).T
    low = np.minimum(place.astype(np.int32), bins[:, None] - 2)
    upper = place - low
    shares = np.stack([1 - upper, upper])  # of the lower and the upper bin, for each of L, a, b
    strides = np.array([BINS[1] * BINS[2], BINS[2], 1])
    index = strides @ low
    total = np.zeros(bins.prod())
    for light in (0, 1):
        by_light = weight.ravel() * shares[light, 0]
        for a in (0, 1):
            by_a = by_light * shares[a, 1]
            for b in (0, 1):
                bin_ = index + np.dot((light, a, b), strides)
                total += np.bincount(bin_, weights=by_a * shares[b, 2], minlength=len(total))
    sums: npt.NDArray[np.float64] = total / total.sum()
    return sums


def load(config: Embedding, device: str, store: Store) -> LabHistogram:
    """The model that the profile describes; it runs on the CPU whatever the device, and needs no weights."""
    return LabHistogram(config.region)
