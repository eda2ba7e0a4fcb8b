"""Frames of a clip by equal segments, and the views of a clip in space and time for `humansam`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from hfv_builder.detectors.frames import RGB, frames_at
from hfv_builder.frames.facts import read_timeline

Ints = npt.NDArray[np.int64]


def segment_places(total: int, segments: int, within: npt.ArrayLike) -> Ints:
    """Return one place in each of equal segments of `total` frames.

    Args:
        total: number of frames.
        segments: number of segments.
        within: where in each segment, in [0, 1): one value, or (segments,).

    >>> segment_places(16, 4, 0.5).tolist()
    [2, 6, 10, 14]
    """
    places = np.floor((np.arange(segments) + np.asarray(within, np.float64)) * total / segments)
    return np.minimum(places, total - 1).astype(np.int64)


def view_places(total: int, segments: int, views: int) -> Ints:
    """Return the frames of evenly shifted views, (views, segments): view v takes (v + ½) / views of each segment."""
    return np.stack([segment_places(total, segments, (view + 0.5) / views) for view in range(views)])


class SegmentFrames:
    """Extractor: (n, 3, h, w) uint8, the frames of evenly shifted views in order, with a short side of `short_side`.

    Frames are not enlarged. A clip with fewer frames gives all of its frames; so does every clip if `views` is 0.
    """

    def __init__(self, short_side: int, segments: int, views: int) -> None:
        self._short_side, self._segments, self._views = short_side, segments, views

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides the frames but the file."""
        which = f"{self._views} of each of {self._segments} segments" if self._views else "all"
        return f"frames {self._short_side} px, {which}, torch {torch.__version__.split('+')[0]}, version 1"

    def extract(self, path: Path) -> RGB:
        """Return the frames of the clip; those that cannot be decoded are left out.

        Raises:
            ClipError: the clip cannot be read, or none of the frames can be decoded.
        """
        total = len(read_timeline(path))
        chosen = (
            {*range(total)} if not self._views else {*view_places(total, self._segments, self._views).ravel().tolist()}
        )
        images: list[RGB] = []
        for rgb in frames_at(path, chosen):
            images.append(self._shrunk(rgb, images[0].shape[1:] if images else None))
        return np.stack(images)

    def _shrunk(self, rgb: RGB, size: Any) -> RGB:
        image = torch.from_numpy(rgb).permute(2, 0, 1)
        factor = min(1.0, self._short_side / min(rgb.shape[:2]))
        size = size or [max(1, round(side * factor)) for side in rgb.shape[:2]]
        return np.ascontiguousarray(F.resize(image, [*size], antialias=True).numpy())


def spatial_views(images: Tensor, side: int, views: int) -> Iterator[Tensor]:
    """Yield square crops, evenly spaced along the longer side from its start to its end; a single view is the centre
    crop.

    Args:
        images: (n, 3, h, w) uint8.
        side: of the crops; the shorter side is resized to it.
        views: number of crops.
    """
    height, width = images.shape[-2:]
    factor = side / min(height, width)
    size = [max(side, round(own * factor)) for own in (height, width)]
    resized = F.resize(images, size, antialias=True)
    for view in range(views):
        share = view / (views - 1) if views > 1 else 0.5
        top, left = (round(share * (own - side)) for own in size)
        yield resized[..., top : top + side, left : left + side]
