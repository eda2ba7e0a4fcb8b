"""Depth without weights, from apparent size: what grows in the picture is coming nearer.

The clip is divided into colour layers; the nearness of a layer is the square root of its visible area relative
to its own area in the frames around. Where nothing changes size the map is flat ½.
"""

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfv_builder.backends.classical_light import levelled_lab, unscaled
from hfv_builder.backends.weights import Store
from hfv_builder.config import Depth
from hfv_builder.frames import shrink

LAYERS = 12
CHROMA = 1.6
"""Weight of a and b against L when colours are told apart."""
SOFTNESS = 7.0
"""σ of a pixel's membership in a layer, in weighted L*a*b* units."""
NEIGHBOURS = 3
"""Frames to each side that a layer's area is compared with."""
MIN_AREA = 0.002
"""Share of the frame added to every area, so that a vanishing layer does not jump."""
SAMPLES = 8000
"""Pixels of the clip from which the layers' colours are found."""


class ApparentSize:
    """Nearness maps with a long side of at most `long_side` pixels."""

    def __init__(self, long_side: int) -> None:
        self.long_side = long_side

    def begin(self) -> "ApparentSizePass":
        """Start on a clip."""
        return ApparentSizePass(self.long_side)


class ApparentSizePass:
    """Keeps the small frames: layers are shared by the whole clip."""

    def __init__(self, long_side: int) -> None:
        self._long_side = long_side
        self._frames: list[npt.NDArray[np.uint8]] = []

    def add(self, frames: Tensor) -> None:
        """Take the next frames: (n, H, W, 3) uint8 RGB."""
        self._frames.append(shrink(frames.cpu().numpy(), self._long_side))

    def result(self) -> Tensor:
        """(T, h, w) float32 in [0, 1], ½ = as near as in the frames around."""
        return torch.from_numpy(nearness(unscaled(levelled_lab(np.concatenate(self._frames)))))


def nearness(lab: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Half the membership-weighted nearness of each pixel's layers, clipped: (T, h, w, 3) to (T, h, w) in [0, 1]."""
    members = memberships(lab)
    area = members.mean(axis=(1, 2), dtype=np.float64) + MIN_AREA
    around = np.stack([np.median(area[max(0, t - NEIGHBOURS) : t + NEIGHBOURS + 1], axis=0) for t in range(len(area))])
    near = np.sqrt(area / around).astype(np.float32)
    maps: npt.NDArray[np.float32] = np.clip(np.einsum("thwk,tk->thw", members, near) / 2, 0, 1)
    return maps


def memberships(lab: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Soft membership of each pixel in the clip's colour layers: (T, h, w, 3) to (T, h, w, 12), sums to 1."""
    colours = np.stack([cv2.blur(frame, (3, 3)) for frame in lab]) * np.array([1, CHROMA, CHROMA], np.float32)
    pixels = colours.reshape(-1, 3)
    chosen = np.random.default_rng(0).choice(len(pixels), min(SAMPLES, len(pixels)), replace=False)
    cv2.setRNGSeed(0)
    until = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 20, 0.5)
    count = min(LAYERS, len(chosen))
    _, _, centres = cv2.kmeans(pixels[chosen], count, None, until, 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    # |x − c|² without |x|², which is the same for all centres and cancels in the normalisation.
    distance = (centres**2).sum(axis=1) - 2 * (pixels @ centres.T)
    distance -= distance.min(axis=1, keepdims=True)
    member: npt.NDArray[np.float32] = np.exp(distance / (-2 * SOFTNESS**2), dtype=np.float32)
    member /= member.sum(axis=1, keepdims=True)
    return member.reshape(*lab.shape[:3], count)


def load(config: Depth, device: str, store: Store) -> ApparentSize:
    """The model that the profile describes; it runs on the CPU whatever the device, and needs no weights."""
    return ApparentSize(config.long_side)
