"""Frames with their light levelled: what the colour-based classical backends look at."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

DARK = 8.0
"""Grey levels added to every luminance, so that a black frame divides by something."""


def levelled_lab(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The clip in CIE L*a*b*, every frame divided by its median brightness relative to the first frame.

    The median is that of every second pixel of every second row, counted from either side to the middle.

    Args:
        frames: (T, H, W, 3) uint8 RGB, the whole clip.

    Returns:
        (T, H, W, 3) uint8, scaled as OpenCV does: L · 255/100, a + 128, b + 128. See `unscaled`.
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
    """L* in [0, 100], a* and b* in about ± 128, of what `levelled_lab` gives or means of it: (…, 3) to the same."""
    return np.asarray((lab - np.array([0.0, 128.0, 128.0])) * np.array([100 / 255, 1, 1]))


def _luminance(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) + np.float32(DARK)
