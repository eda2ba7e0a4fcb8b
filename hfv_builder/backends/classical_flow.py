"""Optical flow without weights: dense inverse search (DIS; Kroeger et al., ECCV 2016) of OpenCV."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfv_builder.backends.base import Features
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.size import shrink
from hfv_builder.profiles.profile import Flow

Grey = npt.NDArray[np.uint8]

SMALLEST = 32
"""Pixels; the preset uses patches of 8 pixels at a quarter of the size, and crashes on sides under 32."""
LUMA = (0.299, 0.587, 0.114)


class DenseInverseSearch:
    """Flow model: DIS with the `ultrafast` preset on grey frames of at most `long_side` pixels."""

    def __init__(self, long_side: int, device: str = "cpu") -> None:
        self.long_side, self._device = long_side, device

    def encode(self, frames: Tensor) -> Features:
        """Return the frames as small grey images: (n, C, H, W) float32 in [0, 1], C = 1 or 3, to (n, h, w) uint8."""
        grey = frames[:, 0]
        if frames.shape[1] == 3:
            grey = sum(weight * frames[:, channel] for channel, weight in enumerate(LUMA))  # type: ignore[assignment]
        images = (grey * 255).round().to(torch.uint8).cpu().numpy()
        return (torch.from_numpy(shrink(images, self.long_side)),)

    def flow(self, first: Features, second: Features) -> Tensor:
        """Return the flow from each first frame to the second, (n, 2, h, w) float32, in pixels of `encode`'s images."""
        # A new object for each call: it keeps the number of scales of the smallest image that it has processed.
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        flows = [_symmetric(search, a, b) for a, b in zip(first[0].numpy(), second[0].numpy(), strict=True)]
        return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous().to(self._device)


def _symmetric(search: Any, first: Grey, second: Grey) -> npt.NDArray[np.float32]:
    """Return the mean of the flow and of the flow between mirrored images, mirrored back: (h, w, 2) float32.

    The search propagates from the left, so alone it would not give mirrored flow for a mirrored clip.
    """
    height, width = first.shape
    flow = _padded_flow(search, first, second)[:height, :width]
    mirrored = (np.asarray(cv2.flip(image, 1), np.uint8) for image in (first, second))
    back = cv2.flip(_padded_flow(search, *mirrored)[:height, :width], 1)
    back[..., 0] *= -1
    return np.asarray((flow + back) / 2, np.float32)


def _padded_flow(search: Any, first: Grey, second: Grey) -> npt.NDArray[np.float32]:
    height, width = first.shape
    if min(height, width) < SMALLEST:
        below, right = max(0, SMALLEST - height), max(0, SMALLEST - width)
        first, second = (_with_edges(image, below, right) for image in (first, second))
    return np.asarray(search.calc(first, second, None))


def _with_edges(image: Grey, below: int, right: int) -> Grey:
    """Return the image with its last row and column repeated; NumPy's `pad` takes as long as the search."""
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def load(config: Flow, device: str, store: WeightsDir) -> DenseInverseSearch:
    """Return the model that the profile describes. It needs no weights and runs on the CPU; its flow is on `device`."""
    return DenseInverseSearch(config.long_side, device)
