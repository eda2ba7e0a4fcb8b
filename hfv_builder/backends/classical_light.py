"""Brightness normalisation of frames for the colour-based classical backends."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

DARK = 8.0
"""Grey levels added to every luminance, to avoid a division by zero for black frames."""


def levelled_lab(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the clip in CIE L*a*b*, with every frame divided by its median brightness relative to the first frame.

    The median is over every second pixel of every second row. Columns are counted from both sides towards the middle,
    so that a mirrored clip has the same median.

    Args:
        frames: (T, H, W, 3) uint8 RGB, the whole clip.

    Returns:
        (T, H, W, 3) uint8 in OpenCV's scale: L · 255/100, a + 128, b + 128. See `unscaled`.
    """
    lab = np.empty_like(frames)
    places = np.arange(frames.shape[2])
    columns = np.flatnonzero(np.minimum(places, places[::-1]) % 2 == 0)
    first = _luminance(frames[0, ::2, columns].swapaxes(0, 1))
    for into, frame in zip(lab, frames, strict=True):
        gain = float(np.median(_luminance(frame[::2, columns]) / first))
        cv2.cvtColor(cv2.convertScaleAbs(frame, alpha=1 / gain), cv2.COLOR_RGB2LAB, dst=into)
    return lab


def unscaled(lab: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return L* in [0, 100] and a*, b* in about [−128, 127] for values in OpenCV's 8-bit scale: (…, 3) to (…, 3)."""
    return np.asarray((lab - np.array([0.0, 128.0, 128.0])) * np.array([100 / 255, 1, 1]))


def _luminance(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) + np.float32(DARK)
