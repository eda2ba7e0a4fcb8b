"""Sprites: small images with two anchors that are placed and drawn on a frame."""

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
"""Sprite pixels per frame pixel, in both directions."""

TRANSPARENCY = np.array([[0, 0, 0, -1 / 255, 1]] * 3, np.float32)
"""Maps RGBA to the transparency 1 − alpha / 255, repeated for the three colours."""


@dataclass(frozen=True, eq=False)
class Sprite:
    """An image with two anchors.

    `image` is premultiplied RGBA, (height, width, 4) float32, 0 to 255, with `SUPERSAMPLE` pixels per frame pixel.
    `top` and `bottom` are the anchors, (x, y) in pixels of the image.
    """

    image: Floats
    top: tuple[float, float]
    bottom: tuple[float, float]

    def faded_into(self, other: "Sprite", weight: float) -> "Sprite":
        """Return the sprite blended with the image of another one by `weight`, 0 to 1; the anchors stay."""
        if weight <= 0:
            return self
        height, width = self.image.shape[:2]
        image = other.image
        if image.shape != self.image.shape:
            image = resized(image, width, height, cv2.INTER_LINEAR)
        return replace(self, image=(1 - np.float32(weight)) * self.image + np.float32(weight) * image)


@dataclass(frozen=True, eq=False)
class Placed:
    """A placed sprite: `matrix`, (2, 3), maps its pixels to frame pixels.

    `box` is a bounding box in the frame: left, top, right, bottom.
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
    """Return the sprite with its anchors placed on these two points of the frame.

    The image is stretched along the line between the points and scaled by `thickness` across it, flipped about the line
    if `mirror`, and its colours are multiplied by `shade`.
    """
    # Plain floats: this runs for every part of every frame, and numpy is slow for arrays of two values.
    x, y = float(top[0]), float(top[1])
    along_x, along_y, length = _direction(float(bottom[0]) - x, float(bottom[1]) - y)
    axis_x, axis_y, axis_length = _direction(sprite.bottom[0] - sprite.top[0], sprite.bottom[1] - sprite.top[1])
    stretch = length / axis_length
    spread = thickness / SUPERSAMPLE * (-1 if mirror else 1)
    a = spread * along_y * axis_y + stretch * along_x * axis_x
    b = -spread * along_y * axis_x + stretch * along_x * axis_y
    c = -spread * along_x * axis_y + stretch * along_y * axis_x
    d = spread * along_x * axis_x + stretch * along_y * axis_y
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
    """Draw the sprites on the frame in place, first to last.

    `frame` is float32 RGB, (height, width, 3), 0 to 255.
    """
    height, width = frame.shape[:2]
    for sprite in placed:
        left, upper = max(0, sprite.box[0]), max(0, sprite.box[1])
        right, lower = min(width, sprite.box[2]), min(height, sprite.box[3])
        if left >= right or upper >= lower:
            continue
        matrix = sprite.matrix.copy()
        matrix[:, 2] -= (left, upper)
        # Linear interpolation at half the size averages neighbouring pixels, which smooths edges at little cost.
        warped = np.asarray(cv2.warpAffine(sprite.image, matrix, (right - left, lower - upper)), np.float32)
        if sprite.shade != 1.0:
            warped[..., :3] *= np.float32(sprite.shade)
        # With OpenCV, since numpy takes three times as long to broadcast alpha over the colours.
        below = frame[upper:lower, left:right]
        background = cv2.multiply(below, cv2.transform(warped, TRANSPARENCY))
        frame[upper:lower, left:right] = cv2.add(background, cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB))


def _direction(x: float, y: float) -> tuple[float, float, float]:
    """Return the unit vector along (x, y) and the length of (x, y)."""
    length = max(math.hypot(x, y), 1e-6)
    return x / length, y / length, length
