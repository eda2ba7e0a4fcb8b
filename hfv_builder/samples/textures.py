"""Colours, noise and fabrics for all sprites and scenes."""

import math
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Colour: TypeAlias = Floats
"""RGB, shape (3,), 0 to 255."""

Mask: TypeAlias = Callable[[np.random.Generator, Floats, Floats], Floats]
"""(rng, x, y) -> weight of the second colour, 0 to 1; x and y are in periods of the pattern."""

FADE = 0.6
"""Strength of blobs of noise relative to the next larger ones."""


def rgb(red: int, green: int, blue: int) -> Colour:
    """Return the colour with these components, 0 to 255."""
    return np.array((red, green, blue), np.float32)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the colour of this hue (in turns, periodic), saturation and value (0 to 1)."""
    sector = (hue % 1.0) * 6
    strengths = [min(max(abs((sector - offset) % 6 - 3) - 1, 0), 1) for offset in (0, 2, 4)]
    return np.array([255 * value * (1 - saturation * (1 - strength)) for strength in strengths], np.float32)


def pixel_grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Return the x and y coordinates of every pixel, both (height, width) float32."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x, y


def resized(image: Floats, width: int, height: int, interpolation: int = cv2.INTER_AREA) -> Floats:
    """Return the image resized to `width` x `height`; channels and range stay the same."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.float32)


def noise(rng: np.random.Generator, height: int, width: int, cells: tuple[float, ...]) -> Floats:
    """Return smooth noise of about zero mean and unit standard deviation, (height, width) float32.

    `cells` are the sizes of its blobs in pixels, coarse to fine. Every size is `FADE` times as strong as the previous
    one.
    """
    total = np.zeros((height, width), np.float32)
    strength = 1.0
    for cell in cells:
        knots = (math.ceil(height / cell) + 2, math.ceil(width / cell) + 2)
        layer = rng.standard_normal(knots, dtype=np.float32) * np.float32(strength)
        total += resized(layer, width, height, cv2.INTER_CUBIC)
        strength *= FADE
    total /= total.std() + np.float32(1e-6)
    return total


def _plain(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    return np.zeros_like(x)


def _stripes(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    return (y % 1 >= 0.5).astype(np.float32)


def _pinstripes(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    return (x % 1 >= 0.5).astype(np.float32)


def _checks(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    dark_rows, dark_columns = y % 2 >= 1, x % 2 >= 1
    return np.asarray(0.5 * dark_rows + 0.5 * dark_columns, np.float32)


def _dots(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    distance: Floats = np.hypot(x % 1 - 0.5, y % 1 - 0.5)
    return (distance < 0.3).astype(np.float32)


def _camouflage(rng: np.random.Generator, x: Floats, y: Floats) -> Floats:
    height, width = x.shape
    repeat = height / max(float(y[-1, -1]), 1e-3)
    return (noise(rng, height, width, (0.8 * repeat, 0.4 * repeat)) > 0.2).astype(np.float32)


CLOTHS: dict[str, Mask] = {
    "plain": _plain,
    "stripes": _stripes,
    "pinstripes": _pinstripes,
    "checks": _checks,
    "dots": _dots,
    "camouflage": _camouflage,
}


def cloth(
    rng: np.random.Generator,
    height: int,
    width: int,
    colours: tuple[Colour, Colour],
    *,
    pattern: str = "plain",
    repeat: float = 14.0,
) -> Floats:
    """Return a fabric, (height, width, 3) float32 RGB, about 0 to 255 (not clipped).

    `pattern` is a key of `CLOTHS` and `repeat` its period in pixels. The weave, a faint noise, scales with the period.
    """
    x, y = pixel_grid(height, width)
    weight = CLOTHS[pattern](rng, x / np.float32(repeat), y / np.float32(repeat))[..., None]
    weave = noise(rng, height, width, (0.6 * repeat, 0.2 * repeat))[..., None]
    return colours[0] * (1 - weight) + colours[1] * weight + 5 * weave
