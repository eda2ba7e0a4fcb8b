"""The part of a frame in which an error map shows the most error."""

import cv2
import numpy as np

from hfv_builder.scoring.heat import Errors

BLUR = 1 / 16
"""Width of the blur, as a fraction of the long side: single pixels do not make a region."""
LEAST = 1 / 12
"""Smallest side of a region, as a fraction of that side of the map."""


def worst_region(errors: Errors) -> tuple[float, float, float, float] | None:
    """Return the region of the largest error: its left, top, width and height as fractions of the map.

    It is the bounding box of the connected part of the blurred map that holds its largest value and is at least half
    as large; None if the map shows no error.

    Args:
        errors: (h, w) in [0, 1], as `heat.errors_of` returns them.
    """
    height, width = errors.shape
    side = 2 * round(max(height, width) * BLUR / 2) + 1
    blurred = cv2.GaussianBlur(np.ascontiguousarray(errors, np.float32), (side, side), 0)
    top = float(blurred.max())
    if not top > 0:
        return None
    _, parts = cv2.connectedComponents((blurred >= top / 2).astype(np.uint8))
    rows, columns = np.nonzero(parts == parts.flat[int(blurred.argmax())])
    x, w = _widened(int(columns.min()), int(columns.max()) + 1, width)
    y, h = _widened(int(rows.min()), int(rows.max()) + 1, height)
    return x, y, w, h


def _widened(first: int, end: int, size: int) -> tuple[float, float]:
    """Return start and length of an interval as fractions of `size`, at least `LEAST` long and inside [0, 1]."""
    length = max((end - first) / size, LEAST)
    middle = (first + end) / 2 / size
    return min(max(0.0, middle - length / 2), 1 - length), length
