"""Sprites of the objects that figures handle: ball, drum, crate, punching bag, suitcase."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from hfv_builder.samples.sprite import Sprite
from hfv_builder.samples.textures import Colour, Floats, hsv, noise, pixel_grid, resized, rgb

Inside: TypeAlias = npt.NDArray[np.bool_]
Paint: TypeAlias = tuple[Inside, Floats, Floats]
"""Mask of the object (height, width), its RGB (height, width, 3) and the light on it (height, width)."""
Painter: TypeAlias = Callable[[np.random.Generator, Floats, Floats, Colour, Colour], Paint]
"""(rng, x, y, main colour, second colour) -> paint; x and y are from the centre, in units of the object's size."""

FINER = 2
"""Supersampling factor of objects, which are painted with hard edges."""
REACH = 1.2
"""Half the side of an object's image in units of its size. Equal for all objects, so that they can cross-fade."""


@dataclass(frozen=True)
class Object:
    """A kind of object: the function that paints it, and half its height in units of its size."""

    paint: Painter
    half_height: float


def _cylinder_light(across: Floats) -> Floats:
    light: Floats = 0.55 + 0.52 * np.sqrt(np.clip(1 - 0.62 * (across + 0.28) ** 2, 0, 1))
    return light


def _ball(rng: np.random.Generator, x: Floats, y: Floats, main: Colour, second: Colour) -> Paint:
    curves = [np.hypot(x - side * 1.15, y) - 0.8 for side in (-1, 1)]
    seam = np.min([np.abs(x), np.abs(y), *(np.abs(curve) for curve in curves)], axis=0) < 0.07
    colour = np.where(seam[..., None], np.float32(25), main)
    light = 0.45 + 0.65 * np.clip(1 - np.hypot(x + 0.35, y + 0.4) / 1.6, 0, 1)
    return np.hypot(x, y) < 1, colour, light


def _drum(rng: np.random.Generator, x: Floats, y: Floats, main: Colour, second: Colour) -> Paint:
    half, bulge = 0.72, 0.30  # of the shell, and of the ellipses that close it
    shell = (np.abs(x) < 1.05) & (np.abs(y) < half)
    bottom = (x / 1.05) ** 2 + ((y - half) / bulge) ** 2 < 1
    skin = (x / 1.05) ** 2 + ((y + half) / bulge) ** 2 < 1
    lacing = np.abs(y - (np.abs((x / 0.42) % 2 - 1) * 2 - 1) * half) < 0.07
    hoops = shell & ((y > 0.82 * half) | (y < -0.75 * half))
    colour = np.where(lacing[..., None], rgb(245, 235, 200), main)
    colour = np.where(hoops[..., None], 0.75 * second, colour)
    colour = np.where(skin[..., None], rgb(238, 232, 215), colour)
    return shell | bottom | skin, colour, np.where(skin, np.float32(1), _cylinder_light(x / 1.05))


def _crate(rng: np.random.Generator, x: Floats, y: Floats, main: Colour, second: Colour) -> Paint:
    side = len(x)
    gaps = (y + 0.8) % 0.4 < 0.06
    frame = (np.abs(x) > 0.86) | (np.abs(y) > 0.68) | (np.abs(0.8 * x - y) < 0.09)
    colour = np.where(gaps[..., None], 0.35 * main, 0.9 * main)
    colour = np.where(frame[..., None], 0.6 * main, colour)
    grain = noise(rng, side, side, (side / 4, side / 16, side / 32))
    return (np.abs(x) < 1) & (np.abs(y) < 0.8), colour + 10 * grain[..., None], 0.8 - 0.25 * y


def _bag(rng: np.random.Generator, x: Floats, y: Floats, main: Colour, second: Colour) -> Paint:
    ends = np.clip(np.abs(y) - 0.77, 0, None)
    bands = (y + 3) % 0.55 < 0.1
    colour = np.where(bands[..., None], 0.6 * second, 0.75 * main)
    return (np.abs(x) < 0.62) & (ends < 0.31), colour, _cylinder_light(x / 0.62)


def _suitcase(rng: np.random.Generator, x: Floats, y: Floats, main: Colour, second: Colour) -> Paint:
    corner = np.hypot(np.clip(np.abs(x) - 0.85, 0, None), np.clip(np.abs(y - 0.1) - 0.5, 0, None))
    case = corner < 0.15
    ring = np.maximum(np.abs(x) / 0.3, np.abs(y + 0.62) / 0.18)
    handle = (ring < 1) & (ring > 0.6) & ~case
    straps = np.abs(np.abs(x) - 0.55) < 0.08
    colour = np.where(straps[..., None], 0.8 * second, 0.85 * main)
    colour = np.where((corner > 0.08)[..., None], 0.55 * main, colour)
    colour = np.where(handle[..., None], rgb(50, 40, 36), colour)
    return case | handle, colour, 0.95 - 0.2 * y


OBJECTS: dict[str, Object] = {
    "ball": Object(_ball, half_height=1.0),
    "drum": Object(_drum, half_height=1.02),
    "crate": Object(_crate, half_height=0.8),
    "bag": Object(_bag, half_height=1.08),
    "suitcase": Object(_suitcase, half_height=0.78),
}


def draw_object(kind: str, rng: np.random.Generator, size: float, hue: float) -> Sprite:
    """Return the sprite of an object; the anchors are its centre and a point one `size` below it.

    `kind` is a key of `OBJECTS`, `size` is in sprite pixels, `hue` in turns.
    """
    side = math.ceil(2 * REACH * size) + 2
    x, y = pixel_grid(FINER * side, FINER * side)
    scale = np.float32(1 / (FINER * size))
    middle = np.float32((FINER * side - 1) / 2)
    main, second = hsv(hue, 0.85, 0.95), hsv(hue + 0.12, 0.35, 1.0)
    inside, colour, light = OBJECTS[kind].paint(rng, (x - middle) * scale, (y - middle) * scale, main, second)
    alpha = inside[..., None].astype(np.float32)
    lit = np.clip(colour * light[..., None], 0, 255) * alpha
    image = resized(np.concatenate([lit, 255 * alpha], axis=2).astype(np.float32), side, side)
    return Sprite(image, (side / 2, side / 2), (side / 2, side / 2 + size))
