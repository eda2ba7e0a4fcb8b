"""Pairs of frames of a textured plane that moves in a known way."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hfv_builder.trial.pattern import Floats, Pattern, to_uint8


@dataclass(frozen=True, kw_only=True)
class MovingPlane:
    """Two frames of a plane that is shifted, turned and scaled around the centre of the frame."""

    name: str
    shift: tuple[float, float] = (0.0, 0.0)
    """To the right and down, in pixels."""
    turn: float = 0.0
    """Degrees, clockwise."""
    zoom: float = 1.0
    seed: int = 0

    @lru_cache(maxsize=16)  # noqa: B019 (planes are few constants)
    def frames(self, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Return the two frames, (2, height, width, 3) uint8 RGB."""
        x, y = _grid(height, width)
        pattern, matrix = Pattern(self.seed), self._matrix()
        back = np.linalg.inv(matrix)
        shifted = x - self.shift[0], y - self.shift[1]
        moved = [row[0] * shifted[0] + row[1] * shifted[1] for row in back]
        return np.stack([to_uint8(pattern.at(x, y)), to_uint8(pattern.at(moved[0], moved[1]))])

    def flow(self, height: int, width: int) -> Floats:
        """Return the displacement of each pixel of the first frame, (2, height, width), x before y, in pixels."""
        x, y = _grid(height, width)
        return np.stack(
            [
                row[0] * x + row[1] * y + shift - here
                for row, shift, here in zip(self._matrix(), self.shift, (x, y), strict=True)
            ]
        )

    def reverse_flow(self, height: int, width: int) -> Floats:
        """Return the displacement of each pixel of the second frame to the first, (2, height, width), in pixels."""
        x, y = _grid(height, width)
        back = np.linalg.inv(self._matrix())
        shifted = x - self.shift[0], y - self.shift[1]
        return np.stack(
            [row[0] * shifted[0] + row[1] * shifted[1] - here for row, here in zip(back, (x, y), strict=True)]
        )

    def _matrix(self) -> Floats:
        angle = np.deg2rad(self.turn)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.asarray(self.zoom * turn, np.float64)


PLANES = (
    MovingPlane(name="translation", shift=(7.0, -4.0), seed=1),
    MovingPlane(name="rotation", turn=3.0, seed=2),
    MovingPlane(name="zoom", zoom=1.05, seed=3),
)
STILL = MovingPlane(name="still", seed=4)


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Return the coordinates of each pixel from the centre of the frame, x and y, in pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return x - (width - 1) / 2, y - (height - 1) / 2
