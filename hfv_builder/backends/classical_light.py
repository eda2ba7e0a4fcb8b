"""Frames with their light levelled: what the colour-based classical backends look at."""

import cv2
import numpy as np
import numpy.typing as npt

DARK = 8.0
"""Grey levels added to every luminance, so that a black frame divides by something."""


def levelled_lab(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The clip in CIE L*a*b*, every frame divided by its median brightness relative to the first frame.

    Args:
        frames: (T, H, W, 3) uint8 RGB, the whole clip.

    Returns:
        (T, H, W, 3) float32: L in [0, 100], a and b in about ± 128.
    """
    luminance = frames.mean(axis=-1, dtype=np.float32) + DARK
    gain = np.median((luminance / luminance[0]).reshape(len(frames), -1), axis=1)
    lab = np.empty(frames.shape, np.float32)
    for into, frame, factor in zip(lab, frames, gain, strict=True):
        level = np.clip(frame / np.float32(factor * 255), 0, 1, dtype=np.float32)
        cv2.cvtColor(level, cv2.COLOR_RGB2LAB, dst=into)
    return lab
