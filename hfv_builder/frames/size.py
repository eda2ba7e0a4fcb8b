"""Compute frame sizes and shrink frames."""

import cv2
import numpy as np
import numpy.typing as npt


def shrunk_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Return height and width shrunk to a long side of at most `long_side`, with the same aspect ratio; never enlarged.

    >>> shrunk_size(720, 1280, 160)
    (90, 160)
    """
    factor = min(1.0, long_side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def shrink(frames: npt.NDArray[np.uint8], long_side: int) -> npt.NDArray[np.uint8]:
    """Return frames with a long side of at most `long_side`, whose pixels are means over areas.

    Mirrored frames give the mirrored result, to the last bit. Frames are (n, H, W) or (n, H, W, C) uint8.
    """
    height, width = shrunk_size(frames.shape[1], frames.shape[2], long_side)
    if (height, width) == frames.shape[1:3]:
        return frames
    return np.stack([_shrunk(frame, (width, height)) for frame in frames])


def _shrunk(frame: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if frame.shape[0] % size[1] == 0 and frame.shape[1] % size[0] == 0:
        return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    # Sums from left to right are rounded differently than from right to left, so they start at the darker side.
    middle = frame.shape[1] // 2
    rows = frame[::8]  # enough to decide
    turned = sum(cv2.sumElems(rows[:, :middle])) > sum(cv2.sumElems(rows[:, frame.shape[1] - middle :]))
    small = cv2.resize(cv2.flip(frame, 1) if turned else frame, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, ::-1] if turned else small, np.uint8)
