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
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.size import shrink
from hfv_builder.profiles.profile import Depth

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LAYERS = 12
CHROMA = 1.6
"""Weight of a and b against L when colours are told apart."""
SOFTNESS = 7.0
"""σ of a pixel's membership in a layer, in weighted L*a*b* units."""
NEIGHBOURS = 3
"""Frames to each side that a layer's area is compared with; fewer at both ends of a clip, as many on either side."""
MIN_AREA = 0.002
"""Share of the frame added to every area, so that a vanishing layer does not jump."""
SHIFT = np.array([2, 1, 1], np.uint8)
"""Bits by which L, a and b are shortened in the histogram of a clip's colours."""
WIDTH = 7
"""Bits of each of the shortened values in the key of a colour."""
STARTS = 2
ITERATIONS, STILL = 20, 0.5
"""The search for the layers' colours ends after so many rounds, or when none moves further than that."""


class ApparentSize:
    """Nearness maps with a long side of at most `long_side` pixels."""

    def __init__(self, long_side: int) -> None:
        self.long_side = long_side

    def begin(self) -> "ApparentSizePass":
        """Start a clip."""
        return ApparentSizePass(self.long_side)


class ApparentSizePass:
    """Keeps the small frames: layers are shared by the whole clip."""

    def __init__(self, long_side: int) -> None:
        self._long_side = long_side
        self._frames: list[npt.NDArray[np.uint8]] = []

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""
        self._frames.append(shrink(frames.cpu().numpy(), self._long_side))

    def compute(self) -> Tensor:
        """(T, h, w) float32 in [0, 1], ½ = as near as in the frames around."""
        return torch.from_numpy(nearness(levelled_lab(np.concatenate(self._frames))))


def nearness(lab: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Half the membership-weighted nearness of each pixel's layers, clipped.

    A pixel counts by the mean colour of its bin in a histogram of the whole clip, so that no pixel is left out and
    where it lies makes no difference: a mirrored clip has mirrored maps, to the last bit.

    Args:
        lab: (T, h, w, 3), a whole clip as `levelled_lab` gives it.

    Returns:
        (T, h, w) in [0, 1].
    """
    bins, colours, counts = histogram(np.stack([cv2.blur(frame, (3, 3)) for frame in lab]))
    members = memberships(colours, layers(colours, counts))
    pixels = bins[0].size
    area = np.stack([np.bincount(each.ravel(), minlength=len(members)) @ members / pixels for each in bins]) + MIN_AREA
    near = np.sqrt(area / _around(area))
    return np.stack(
        [np.clip(members @ at / 2, 0, 1).astype(np.float32)[each] for each, at in zip(bins, near, strict=True)]
    )


def histogram(lab: npt.NDArray[np.uint8]) -> tuple[Ints, Floats, Ints]:
    """The clip's colours in bins that are not empty: the bin of each pixel, and each bin's mean colour and pixels.

    Args:
        lab: (T, h, w, 3), scaled as OpenCV does.

    Returns:
        (T, h, w) in [0, n); (n, 3) in L*a*b* units, a and b times `CHROMA`; (n,).
    """
    short = (lab >> SHIFT).astype(np.int64)
    keys = (short[..., 0] << 2 * WIDTH) + (short[..., 1] << WIDTH) + short[..., 2]
    counts = np.bincount(keys.ravel())
    filled = np.flatnonzero(counts)
    bins = np.zeros(len(counts), np.int64)
    bins[filled] = np.arange(len(filled))
    sums = [np.bincount(keys.ravel(), weights=channel.ravel())[filled] for channel in np.moveaxis(lab, -1, 0)]
    colours = unscaled(np.stack(sums, axis=1) / counts[filled, None]) * (1, CHROMA, CHROMA)
    return bins[keys], colours, counts[filled]


def layers(colours: Floats, counts: Ints) -> Floats:
    """The colours of at most `LAYERS` layers: k-means of the colours weighted by their counts, the best of some starts.

    The starts are those of k-means++ with fixed random numbers, so that they hang on the colours and counts alone.

    Args:
        colours: (n, 3).
        counts: (n,).

    Returns:
        (k, 3).
    """
    found = [_moved(colours, counts, _start(colours, counts, np.random.default_rng(seed))) for seed in range(STARTS)]
    return min(found, key=lambda centres: counts @ _square_distances(colours, centres).min(axis=1))


def _start(colours: Floats, counts: Ints, rng: np.random.Generator) -> Floats:
    """Colours to start from, each drawn by its count times its squared distance to those before."""
    share = counts.astype(np.float64)
    centres = np.empty((0, 3))
    nearest = np.full(len(colours), np.inf)
    while len(centres) < LAYERS and share.any():
        drawn = rng.choice(len(colours), p=share / share.sum())
        centres = np.concatenate([centres, colours[[drawn]]])
        nearest = np.minimum(nearest, _square_distances(colours, centres[-1:])[:, 0])
        share = counts * nearest
    return centres


def _moved(colours: Floats, counts: Ints, centres: Floats) -> Floats:
    """The centres, each moved to the mean of the colours nearest to it, until none moves far."""
    for _ in range(ITERATIONS):
        belongs = _square_distances(colours, centres).argmin(axis=1)
        weight = np.bincount(belongs, weights=counts, minlength=len(centres))
        sums = [np.bincount(belongs, weights=counts * each, minlength=len(centres)) for each in colours.T]
        moved = np.where(weight[:, None] > 0, np.stack(sums, axis=1) / np.maximum(weight, 1)[:, None], centres)
        distance = np.abs(moved - centres).max()
        centres = moved
        if distance < STILL:
            break
    return centres


def memberships(colours: Floats, centres: Floats) -> Floats:
    """Soft membership of each colour in the layers: (n, 3) and (k, 3) to (n, k), sums to 1."""
    distance = _square_distances(colours, centres)
    member = np.exp((distance - distance.min(axis=1, keepdims=True)) / (-2 * SOFTNESS**2))
    return np.asarray(member / member.sum(axis=1, keepdims=True))


def _around(area: Floats) -> Floats:
    """The median of each layer's areas in a window that is symmetric: (T, k) to the same."""
    last = len(area) - 1
    half = [min(NEIGHBOURS, t, last - t) for t in range(last + 1)]
    return np.stack([np.median(area[t - each : t + each + 1], axis=0) for t, each in enumerate(half)])


def _square_distances(a: Floats, b: Floats) -> Floats:
    """Of each colour of `a` to each of `b`: (n, 3) and (k, 3) to (n, k)."""
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * (a @ b.T), 0))


def load(config: Depth, device: str, store: WeightsDir) -> ApparentSize:
    """The model that the profile describes; it runs on the CPU whatever the device, and needs no weights."""
    return ApparentSize(config.long_side)
