"""A sprite: a small picture with two anchors, and the drawing of many sprites over a frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.samples.textures import Floats, resized

Point: TypeAlias = npt.NDArray[np.float64]
"""x and y in frame pixels, shape (2,)."""

SUPERSAMPLE = 2
"""Sprites hold this many pixels per frame pixel, in each direction."""

TRANSPARENCY = np.array([[0, 0, 0, -1 / 255, 1]] * 3, np.float32)
"""Takes RGBA to how much of what is behind shows, 0 to 1, once for each colour."""


@dataclass(frozen=True, eq=False)
class Sprite:
    """A picture that hangs between two anchors.

    `image` is premultiplied RGBA, float32 of shape (height, width, 4), 0 to 255, at `SUPERSAMPLE` pixels per
    frame pixel; `top` and `bottom` are the anchors, (x, y) in its own pixels.
    """

    image: Floats
    top: tuple[float, float]
    bottom: tuple[float, float]

    def faded_into(self, other: "Sprite", weight: float) -> "Sprite":
        """The sprite with `weight` (0 to 1) of another's picture; the anchors stay."""
        if weight <= 0:
            return self
        height, width = self.image.shape[:2]
        picture = other.image
        if picture.shape != self.image.shape:
            picture = resized(picture, width, height, cv2.INTER_LINEAR)
        return replace(self, image=(1 - np.float32(weight)) * self.image + np.float32(weight) * picture)


@dataclass(frozen=True, eq=False)
class Placed:
    """A sprite on its place: `matrix`, shape (2, 3), takes its pixels to frame pixels.

    `box` is the part of the frame that it may touch: left, top, right, bottom.
    """

    image: Floats
    matrix: npt.NDArray[np.float64]
    box: tuple[int, int, int, int]
    shade: float


def place(
    sprite: Sprite,
    top: Point,
    bottom: Point,
    *,
    thickness: float = 1.0,
    mirror: bool = False,
    shade: float = 1.0,
) -> Placed:
    """The sprite with its anchors on these two points of the frame.

    It is stretched along the line between them and scaled by `thickness` across it, flipped over that line
    if `mirror`, and its colours are multiplied by `shade`.
    """
    # Plain floats: this runs for every part of every frame, and numpy is slow with pairs of numbers.
    x, y = float(top[0]), float(top[1])
    along_x, along_y, length = _direction(float(bottom[0]) - x, float(bottom[1]) - y)
    own_x, own_y, own_length = _direction(sprite.bottom[0] - sprite.top[0], sprite.bottom[1] - sprite.top[1])
    stretch = length / own_length
    spread = thickness / SUPERSAMPLE * (-1 if mirror else 1)
    a = spread * along_y * own_y + stretch * along_x * own_x
    b = -spread * along_y * own_x + stretch * along_x * own_y
    c = -spread * along_x * own_y + stretch * along_y * own_x
    d = spread * along_x * own_x + stretch * along_y * own_y
    shift_x, shift_y = x - a * sprite.top[0] - b * sprite.top[1], y - c * sprite.top[0] - d * sprite.top[1]
    height, width = sprite.image.shape[:2]
    box = (
        math.floor(shift_x + min(0, a * width) + min(0, b * height)) - 1,
        math.floor(shift_y + min(0, c * width) + min(0, d * height)) - 1,
        math.ceil(shift_x + max(0, a * width) + max(0, b * height)) + 2,
        math.ceil(shift_y + max(0, c * width) + max(0, d * height)) + 2,
    )
    return Placed(sprite.image, np.array([[a, b, shift_x], [c, d, shift_y]]), box, shade)


def draw(frame: Floats, placed: Sequence[Placed]) -> None:
    """Draw the sprites over the frame, first to last, in place.

    `frame` is float32 RGB of shape (height, width, 3), 0 to 255.
    """
    height, width = frame.shape[:2]
    for each in placed:
        left, upper = max(0, each.box[0]), max(0, each.box[1])
        right, lower = min(width, each.box[2]), min(height, each.box[3])
        if left >= right or upper >= lower:
            continue
        matrix = each.matrix.copy()
        matrix[:, 2] -= (left, upper)
        # Halving with linear interpolation averages neighbours, so edges come out smooth at little cost.
        picture = np.asarray(cv2.warpAffine(each.image, matrix, (right - left, lower - upper)), np.float32)
        if each.shade != 1.0:
            picture[..., :3] *= np.float32(each.shade)
        # With OpenCV: numpy takes three times as long to spread one alpha over three colours.
        below = frame[upper:lower, left:right]
        shown = cv2.multiply(below, cv2.transform(picture, TRANSPARENCY))
        frame[upper:lower, left:right] = cv2.add(shown, cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB))


def _direction(x: float, y: float) -> tuple[float, float, float]:
    """The unit vector along (x, y), and its length."""
    length = max(math.hypot(x, y), 1e-6)
    return x / length, y / length, length
