"""Collect the frames for a person detector while the clip is decoded for scoring or signals."""

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np

from hfv_builder.people.base import Images, People, PersonDetector, chosen_frames, summed_up
from hfv_builder.people.registry import threshold

LONG_SIDE = 640
"""Long side in pixels to which frames are shrunk before they are kept."""


class PersonWatch:
    """Iterate over chunks of frames and keep the frames to score."""

    def __init__(self, chunks: Iterable[Any], count: int) -> None:
        """Make a watch for a clip that declares `count` frames."""
        self._chunks, self._wanted = chunks, frozenset(chosen_frames(count))
        self._images: list[Images] = []

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._chunks:
            for rgb, index in zip(chunk.rgb, chunk.index.tolist(), strict=True):
                if index in self._wanted:
                    self._images.append(shrunk(rgb, chunk.shape))
            yield chunk

    def compute(self, detector: PersonDetector, revision: str) -> People:
        """Return the result of the detector with this revision for the frames so far."""
        return look(detector, self._images, revision)


def look(detector: PersonDetector, images: Iterable[Images], revision: str) -> People:
    """Return the result of the detector for a clip's images, (H, W, 3) each."""
    scores = [detector.scores(image[None]) for image in images]
    return summed_up(np.concatenate([np.zeros(0), *scores]), threshold(revision), revision)


def shrunk(rgb: Images, shape: float) -> Images:
    """Return a frame with square pixels and a long side of at most `LONG_SIDE`.

    Args:
        rgb: (H, W, 3).
        shape: width / height of its pixels.
    """
    height, width = rgb.shape[0], rgb.shape[1] * shape
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (rgb.shape[1], rgb.shape[0]):
        return rgb.copy()
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
