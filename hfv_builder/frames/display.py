"""Mirror and rotate decoded frames by their display matrix, and return the pixel aspect ratio."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SLACK = 0.01
"""Tolerance of the entries of a display matrix, as a fraction of the largest: cameras round them."""
LONGEST = 10
"""Largest valid ratio of the two sides of a pixel."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One of the eight axis-aligned transforms of an image."""

    mirrored: bool = False
    """Whether the image is first flipped horizontally."""
    turns: int = 0
    """Quarter turns counter-clockwise, after the flip: 0 to 3."""

    def apply(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the transformed image, (H, W, 3)."""
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
"""Transforms by the directions of the horizontal and the vertical axis; right and down are positive."""


def nearest_transform(matrix: Sequence[int]) -> Transform | None:
    """Return the axis-aligned transform of a display matrix of any scale; None if the matrix is not axis-aligned.

    Args:
        matrix: nine numbers (a, b, u, c, d, v, x, y, w) that map a point (p, q) to (ap + cq + x, bp + dq + y).
    """
    rows = np.array([matrix[0:2], matrix[3:5]], np.float64)
    longest = np.abs(rows).max(axis=1, keepdims=True)
    if not longest.all():
        return None
    rows /= longest
    axes = rows.round()
    if np.abs(rows - axes).max() > SLACK:
        return None
    a, b, c, d = (int(value) for value in axes.flat)
    return AXES.get((a, b, c, d))


def transform_of(frame: Any) -> Transform | None:
    """Return the transform with which to show an `av.VideoFrame`; None if its display matrix is not axis-aligned."""
    data = frame.side_data.get("DISPLAYMATRIX")
    return AS_IT_IS if data is None else nearest_transform(np.frombuffer(data, np.int32, 9).tolist())


def pixel_shape(stream: Any, transform: Transform = AS_IT_IS) -> float:
    """Return width / height of a stream's pixels after the transform; 1.0 if the stream has no valid aspect ratio."""
    ratio = stream.sample_aspect_ratio
    shape = float(ratio) if ratio else 1.0
    shape = shape if 1 / LONGEST <= shape <= LONGEST else 1.0
    return 1 / shape if transform.turns % 2 else shape


def display_size(height: int, width: int, shape: float) -> tuple[int, int]:
    """Return height and width in square pixels of a frame whose pixels have this shape; no side gets smaller.

    >>> display_size(576, 720, 16 / 15)
    (576, 768)
    """
    return (height, max(1, round(width * shape))) if shape >= 1 else (max(1, round(height / shape)), width)
