"""Optical flow without weights: dense inverse search (Kroeger et al., ECCV 2016) from OpenCV."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from hfv_builder.backends.base import Features
from hfv_builder.backends.weights import Store
from hfv_builder.config import Flow
from hfv_builder.frames import shrunk_size

SMALLEST = 32
"""Pixels; the preset searches at a quarter of the size in patches of 8, and crashes on sides under 32."""
LUMA = (0.299, 0.587, 0.114)


class DenseInverseSearch:
    """DIS flow, `ultrafast` preset, on grey frames."""

    def __init__(self, long_side: int, device: str = "cpu") -> None:
        self.long_side, self._device = long_side, device

    def encode(self, frames: Tensor) -> Features:
        """The frames as grey pictures: (n, C, H, W) float32 in [0, 1] to (n, h, w) uint8."""
        grey = frames[:, 0]
        if frames.shape[1] == 3:
            grey = sum(weight * frames[:, channel] for channel, weight in enumerate(LUMA))  # type: ignore[assignment]
        pictures = (grey * 255).round().to(torch.uint8).cpu().numpy()
        height, width = shrunk_size(pictures.shape[1], pictures.shape[2], self.long_side)
        if (height, width) != pictures.shape[1:]:
            pictures = np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in pictures])
        return (torch.from_numpy(pictures),)

    def flow(self, first: Features, second: Features) -> Tensor:
        """Flow from each first to its second frame, (n, 2, h, w) float32, pixels of the encoded pictures."""
        # A search remembers the scales of the smallest picture it has seen: a fresh one for every clip's size.
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        height, width = first[0].shape[1:]
        room = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        flows = [
            search.calc(_padded(a, room), _padded(b, room), None)[:height, :width]  # type: ignore[call-overload]
            for a, b in zip(first[0], second[0], strict=True)
        ]
        return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous().to(self._device)


def _padded(picture: Tensor, room: tuple[int, int, int, int]) -> np.ndarray:
    if any(room):
        picture = pad(picture[None, None].float(), room, mode="replicate")[0, 0].to(torch.uint8)
    return picture.numpy()


def load(config: Flow, device: str, store: Store) -> DenseInverseSearch:
    """The model that the profile describes; it runs on the CPU and gives flow on the device. It needs no weights."""
    return DenseInverseSearch(config.long_side, device)
