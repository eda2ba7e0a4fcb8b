"""How a decoded frame is shown: mirrored and turned by its display matrix, and with pixels that need not be square."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SLACK = 0.01
"""By how much the entries of a display matrix may be off, as a share of the largest: cameras round them."""
LONGEST = 10
"""Longest side of a pixel, in shortest ones; a shape beyond that is an error of the file."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One of the eight axis-aligned transforms of an image."""

    mirrored: bool = False
    """Whether left and right are exchanged first."""
    turns: int = 0
    """Quarter turns counter-clockwise after that: 0 to 3."""

    def apply(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the image, (H, W, 3), the way it is shown."""
        if not (self.mirrored or self.turns):
            return rgb
        return np.ascontiguousarray(np.rot90(rgb[:, ::-1] if self.mirrored else rgb, self.turns))


AS_IT_IS = Transform()
AXES = {
    (1, 0, 0, 1): AS_IT_IS,
    (0, -1, 1, 0): Transform(turns=1),
    (-1, 0, 0, -1): Transform(turns=2),
    (0, 1, -1, 0): Transform(turns=3),
    (-1, 0, 0, 1): Transform(mirrored=True),
    (0, 1, 1, 0): Transform(mirrored=True, turns=1),
    (1, 0, 0, -1): Transform(mirrored=True, turns=2),
    (0, -1, -1, 0): Transform(mirrored=True, turns=3),
}
"""Transforms by where the horizontal and the vertical axis point to, right and down being positive."""


def nearest_transform(matrix: Sequence[int]) -> Transform | None:
    """Return the axis-aligned transform that a display matrix stands for, whatever its scale; None if there is none.

    Args:
        matrix: nine numbers (a, b, u, c, d, v, x, y, w) that take a point (p, q) to (ap + cq + x, bp + dq + y).
    """
    rows = np.array([matrix[0:2], matrix[3:5]], np.float64)
    longest = np.abs(rows).max(axis=1, keepdims=True)
    if not longest.all():
        return None
    rows /= longest
    axes = rows.round()
    if np.abs(rows - axes).max() > SLACK:
        return None
    a, b, c, d = (int(each) for each in axes.flat)
    return AXES.get((a, b, c, d))


def transform_of(frame: Any) -> Transform | None:
    """Return how an `av.VideoFrame` is to be shown; None if its display matrix is no axis-aligned transform."""
    data = frame.side_data.get("DISPLAYMATRIX")
    return AS_IT_IS if data is None else nearest_transform(np.frombuffer(data, np.int32, 9).tolist())


def pixel_shape(stream: Any, transform: Transform = AS_IT_IS) -> float:
    """Return the width of a stream's pixels over their height, as they are shown; 1.0 where it says nothing valid."""
    ratio = stream.sample_aspect_ratio
    shape = float(ratio) if ratio else 1.0
    shape = shape if 1 / LONGEST <= shape <= LONGEST else 1.0
    return 1 / shape if transform.turns % 2 else shape


def display_size(height: int, width: int, shape: float) -> tuple[int, int]:
    """Return height and width, in square pixels, of a frame whose pixels have this shape; neither side shrinks.

    >>> display_size(576, 720, 16 / 15)
    (576, 768)
    """
    return (height, max(1, round(width * shape))) if shape >= 1 else (max(1, round(height / shape)), width)
