"""Inverse depth from apparent size, without weights: an object that grows in the image comes nearer.

The clip is segmented into colour layers. The nearness of a layer is the square root of its visible area relative to its
area in neighbouring frames. Where no layer changes its size, the map is ½.
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
"""Weight of a and b relative to L in colour distances."""
SOFTNESS = 7.0
"""σ of a pixel's membership in a layer, in weighted L*a*b* units."""
NEIGHBOURS = 3
"""Frames on each side that a layer's area is compared with; near the ends of a clip fewer, the same number on both
sides."""
MIN_AREA = 0.002
"""Share of the frame that is added to every area, so that the map does not jump when a layer disappears."""
SHIFT = np.array([2, 1, 1], np.uint8)
"""Number of low bits of L, a and b that the colour histogram drops."""
WIDTH = 7
"""Bits per channel in the key of a colour."""
STARTS = 2
"""Number of k-means runs."""
AT_ONCE = 4096
"""Colours whose distances are computed at once."""
ITERATIONS, STILL = 20, 0.5
"""K-means stops after this many iterations, or when no centre moves further than this."""


class ApparentSize:
    """Depth model whose maps have a long side of at most `long_side` pixels."""

    def __init__(self, long_side: int) -> None:
        self.long_side = long_side

    def begin(self) -> "ApparentSizePass":
        """Return a new pass for one clip."""
        return ApparentSizePass(self.long_side)


class ApparentSizePass:
    """One clip. Keeps all frames, shrunk, because the layers are shared by the whole clip."""

    def __init__(self, long_side: int) -> None:
        self._long_side = long_side
        self._frames: list[npt.NDArray[np.uint8]] = []

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""
        self._frames.append(shrink(frames.cpu().numpy(), self._long_side))

    def compute(self) -> Tensor:
        """Return one map per frame, (T, h, w) float32 in [0, 1]; ½ = as near as in the neighbouring frames."""
        return torch.from_numpy(nearness(levelled_lab(np.concatenate(self._frames))))


def nearness(lab: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return half the membership-weighted nearness of each pixel's layers, clipped to [0, 1].

    A pixel is represented by the mean colour of its bin in a histogram of the whole clip. This uses all pixels and does
    not depend on their positions, so a mirrored clip has mirrored maps, bit for bit.

    Args:
        lab: (T, h, w, 3) uint8, a whole clip, the output of `levelled_lab`.

    Returns:
        (T, h, w) float32 in [0, 1].
    """
    bins, colours, counts = histogram(np.stack([cv2.blur(frame, (3, 3)) for frame in lab]))
    members = memberships(colours, layers(colours, counts))
    pixels = bins[0].size
    shares = np.stack([np.bincount(b.ravel(), minlength=len(members)) for b in bins]) / pixels
    area = np.stack([(shares * member).sum(axis=1) for member in members.T], axis=1) + MIN_AREA
    near = np.sqrt(area / _around(area))
    return np.stack(
        [
            np.clip((members * layer_nearness).sum(axis=1) / 2, 0, 1).astype(np.float32)[frame_bins]
            for frame_bins, layer_nearness in zip(bins, near, strict=True)
        ]
    )


def histogram(lab: npt.NDArray[np.uint8]) -> tuple[Ints, Floats, Ints]:
    """Return the colour histogram of a clip, without empty bins.

    Args:
        lab: (T, h, w, 3) uint8, in OpenCV's scale.

    Returns:
        The bin of each pixel, (T, h, w) in [0, n); the mean colour of each bin, (n, 3) in L*a*b* units with a and b
        multiplied by `CHROMA`; the number of pixels of each bin, (n,).
    """
    short = (lab >> SHIFT).astype(np.int64)
    keys = (short[..., 0] << 2 * WIDTH) + (short[..., 1] << WIDTH) + short[..., 2]
    counts = np.bincount(keys.ravel())
    filled = np.flatnonzero(counts)
    bins = np.zeros(len(counts), np.int64)
    bins[filled] = np.arange(len(filled))
    bins = bins[keys]
    sums = [np.bincount(bins.ravel(), weights=channel.ravel()) for channel in np.moveaxis(lab, -1, 0)]
    colours = unscaled(np.stack(sums, axis=1) / counts[filled, None]) * (1, CHROMA, CHROMA)
    return bins, colours, counts[filled]


def layers(colours: Floats, counts: Ints) -> Floats:
    """Return the colours of at most `LAYERS` layers by weighted k-means, the best of `STARTS` runs.

    The initial centres are drawn by k-means++ with fixed seeds, so the result depends on the colours and counts alone.

    Args:
        colours: (n, 3).
        counts: (n,), the weights of the colours.

    Returns:
        (k, 3), k ≤ `LAYERS`.
    """
    runs = [_moved(colours, counts, _start(colours, counts, np.random.default_rng(seed))) for seed in range(STARTS)]
    return min(runs, key=lambda centres: (counts * _square_distances(colours, centres).min(axis=1)).sum())


def _start(colours: Floats, counts: Ints, rng: np.random.Generator) -> Floats:
    """Return initial centres, drawn with probability ∝ count · squared distance to the nearest centre so far."""
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
    """Return the centres after moving them to the mean of their nearest colours until none moves far."""
    weighted = [counts * channel for channel in colours.T]
    for _ in range(ITERATIONS):
        belongs = _square_distances(colours, centres).argmin(axis=1)
        weight = np.bincount(belongs, weights=counts, minlength=len(centres))
        sums = [np.bincount(belongs, weights=channel, minlength=len(centres)) for channel in weighted]
        moved = np.where(weight[:, None] > 0, np.stack(sums, axis=1) / np.maximum(weight, 1)[:, None], centres)
        distance = np.abs(moved - centres).max()
        centres = moved
        if distance < STILL:
            break
    return centres


def memberships(colours: Floats, centres: Floats) -> Floats:
    """Return the soft membership of each colour in the layers: (n, 3) and (k, 3) to (n, k), rows sum to 1."""
    distance = _square_distances(colours, centres)
    member = np.exp((distance - distance.min(axis=1, keepdims=True)) / (-2 * SOFTNESS**2))
    return np.asarray(member / member.sum(axis=1, keepdims=True))


def _around(area: Floats) -> Floats:
    """Return the median of each layer's areas in a symmetric window around each frame: (T, k) to (T, k)."""
    last = len(area) - 1
    widths = [min(NEIGHBOURS, t, last - t) for t in range(last + 1)]
    return np.stack([np.median(area[t - width : t + width + 1], axis=0) for t, width in enumerate(widths)])


def _square_distances(a: Floats, b: Floats) -> Floats:
    """Return the squared distance of every colour of `a` to every colour of `b`: (n, 3) and (k, 3) to (n, k)."""
    distances = np.empty((len(a), len(b)))
    for start in range(0, len(a), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        total = np.zeros((len(b), len(a[part])))
        # The long axis is the inner one, and results stay in the cache: a third of the time of the plain expression.
        for x, y in zip(np.ascontiguousarray(a[part].T), b.T, strict=True):
            difference = x - y[:, None]
            total += np.square(difference, out=difference)
        distances[part] = total.T
    return distances


def load(config: Depth, device: str, store: WeightsDir) -> ApparentSize:
    """Return the model that the profile describes. It needs no weights and always runs on the CPU."""
    return ApparentSize(config.long_side)
