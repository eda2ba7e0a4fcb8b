"""Sizes of frames, and frames at another size."""

import cv2
import numpy as np
import numpy.typing as npt


def shrunk_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Height and width with the long side at most `long_side` and the same proportions; never enlarged.

    >>> shrunk_size(720, 1280, 160)
    (90, 160)
    """
    factor = min(1.0, long_side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def shrink(frames: npt.NDArray[np.uint8], long_side: int) -> npt.NDArray[np.uint8]:
    """The frames, (n, H, W, C) uint8, with their long side at most `long_side`, each pixel the mean of its area."""
    height, width = shrunk_size(frames.shape[1], frames.shape[2], long_side)
    if (height, width) == frames.shape[1:3]:
        return frames
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])
