"""The sprite of a head: front view or profile, long or short hair, with or without a cap."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.samples.sprite import Sprite
from hfv_builder.samples.textures import Colour, resized, rgb

View: TypeAlias = Literal["front", "side"]
"""The view of the figure. In the side view it faces +x before mirroring."""

FINER = 4
"""Supersampling factor of the head, whose eyes are only a few pixels wide."""

WHITE = rgb(250, 250, 250)
BLACK = rgb(30, 25, 25)
LIPS = rgb(150, 50, 55)


@dataclass(frozen=True, eq=False)
class _Canvas:
    """An RGBA image whose coordinates have their origin in the middle of the face and the head's radius as unit.

    The y axis points down.
    """

    image: npt.NDArray[np.uint8]
    centre: tuple[float, float]
    unit: float

    def ellipse(
        self, x: float, y: float, half_width: float, half_height: float, colour: Colour,
        start: float = 0, end: float = 360,
    ) -> None:  # fmt: skip
        """Draw a filled ellipse, or its sector between two angles in degrees (clockwise from +x)."""
        centre = (round(self.centre[0] + x * self.unit), round(self.centre[1] + y * self.unit))
        axes = (max(1, round(half_width * self.unit)), max(1, round(half_height * self.unit)))
        cv2.ellipse(self.image, centre, axes, 0, start, end, [*colour.tolist(), 255], -1, cv2.LINE_8)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Draw a filled rectangle."""
        corners = np.array([[left, top], [right, bottom]]) * self.unit + self.centre
        first, second = corners.round().astype(int).tolist()
        cv2.rectangle(self.image, first, second, [*colour.tolist(), 255], -1)


def head(skin: Colour, hair: Colour, cap: Colour | None, *, long_hair: bool, view: View, radius: float) -> Sprite:
    """Return a head with its neck; the anchors are the base of the neck (top) and the crown (bottom).

    `radius` is half the width of the face in sprite pixels; the anchors are 2.2 radii apart.
    """
    width, height = math.ceil(2.9 * radius), math.ceil(3.1 * radius)
    centre = (width / 2, 1.45 * radius)
    canvas = _Canvas(
        image=np.zeros((height * FINER, width * FINER, 4), np.uint8),
        centre=(centre[0] * FINER, centre[1] * FINER),
        unit=radius * FINER,
    )
    canvas.rectangle(-0.38, 0.5, 0.38, 1.5, 0.85 * skin)
    if view == "front":
        _paint_front(canvas, skin, hair, long_hair)
        brim = (-1.15, 1.15)
    else:
        _paint_profile(canvas, skin, hair, long_hair)
        brim = (-0.9, 1.35)
    if cap is not None:
        canvas.ellipse(0, -0.55, 1.0, 0.72, cap, 180, 360)
        canvas.rectangle(brim[0], -0.66, brim[1], -0.46, 0.8 * cap)
    # Shrinking an image with a transparent black background gives premultiplied alpha, so edges do not turn black.
    image = resized(canvas.image.astype(np.float32), width, height)
    neck = centre[1] + 1.25 * radius
    return Sprite(image, (centre[0], neck), (centre[0], neck - 2.2 * radius))


def _paint_front(canvas: _Canvas, skin: Colour, hair: Colour, long_hair: bool) -> None:
    if long_hair:
        canvas.ellipse(0, 0.15, 1.0, 1.25, hair)
        canvas.rectangle(-0.38, 0.7, 0.38, 1.5, 0.85 * skin)
    canvas.ellipse(0, 0, 0.86, 1.08, skin)
    canvas.ellipse(0, -0.42, 0.95, 0.75, hair, 180, 360)
    for side in (-1, 1):
        canvas.ellipse(side * 0.34, -0.02, 0.17, 0.13, WHITE)
        canvas.ellipse(side * 0.34, -0.02, 0.09, 0.11, BLACK)
        canvas.ellipse(side * 0.34, -0.26, 0.20, 0.05, hair)
    canvas.ellipse(0, 0.25, 0.10, 0.15, 0.65 * skin)
    canvas.ellipse(0, 0.60, 0.30, 0.10, LIPS)


def _paint_profile(canvas: _Canvas, skin: Colour, hair: Colour, long_hair: bool) -> None:
    if long_hair:
        canvas.ellipse(-0.35, 0.15, 0.75, 1.25, hair)
    canvas.ellipse(0, 0, 0.86, 1.08, skin)
    canvas.ellipse(-0.12, -0.40, 0.95, 0.78, hair, 165, 350)
    canvas.ellipse(-0.50, -0.10, 0.45, 0.60, hair)
    canvas.ellipse(0.84, 0.14, 0.20, 0.15, skin)
    canvas.ellipse(0.50, -0.05, 0.15, 0.12, WHITE)
    canvas.ellipse(0.55, -0.05, 0.08, 0.11, BLACK)
    canvas.ellipse(0.58, 0.55, 0.22, 0.08, LIPS)
    canvas.ellipse(-0.05, 0.08, 0.14, 0.22, 0.65 * skin)
