"""Sprites of the body without its head: limbs, trunk, and the shadow on the ground."""

import math

import cv2
import numpy as np

from hfv_builder.samples.sprite import Sprite
from hfv_builder.samples.textures import Colour, Floats, pixel_grid

BORDER = 3
"""Transparent pixels around every sprite, so that a warp does not repeat its edge pixels."""


def limb(texture: Floats, length: float, start_radius: float, end_radius: float) -> Sprite:
    """Return a tapered, rounded limb with this texture; the anchors are its two joints.

    Lengths are in sprite pixels. `texture` is float32 RGB and is tiled if it is too small.
    """
    radius = max(start_radius, end_radius)
    width, height = math.ceil(2 * (radius + BORDER)), math.ceil(length + 2 * (radius + BORDER))
    centre, joint = width / 2, radius + BORDER
    x, y = pixel_grid(height, width)
    progress = np.clip((y - joint) / max(length, 1.0), 0, 1)
    radii = start_radius + (end_radius - start_radius) * progress
    distance = np.hypot(x - centre, y - joint - progress * length)
    across = np.clip((x - centre) / np.maximum(radii, 1), -1, 1)
    image = _shaded(texture, radii - distance + 0.5, _round_shade(across, 0.62, 0.45))
    return Sprite(image, (centre, joint), (centre, joint + length))


def trunk(texture: Floats, length: float, shoulder_width: float, hip_width: float, logo: Colour | None) -> Sprite:
    """Return a shirt from the neck (top anchor) to the hips (bottom anchor), with a round logo unless it is None.

    Lengths are in sprite pixels. `texture` is float32 RGB and is tiled if it is too small.
    """
    slope, hem = 0.10 * length, 0.07 * length  # above the base of the neck and below the hip joints
    width = math.ceil(max(shoulder_width, hip_width) + 2 * BORDER)
    height = math.ceil(length + slope + hem + 2 * BORDER)
    centre, neck = width / 2, BORDER + slope
    x, y = pixel_grid(height, width)
    progress = np.clip((y - neck) / length, 0, 1)
    half = (shoulder_width + (hip_width - shoulder_width) * progress**0.8) / 2
    half -= 0.12 * length * np.clip(1 - (y - BORDER) / (1.7 * slope), 0, 1) ** 2  # sloping shoulders
    inside = np.minimum(half - np.abs(x - centre), np.minimum(y - BORDER, neck + length + hem - y))
    across = np.clip((x - centre) / np.maximum(half, 1), -1, 1)
    pattern = np.ascontiguousarray(_tiled(texture, height, width))
    if logo is not None:
        logo_centre = (round(centre), round(neck + 0.35 * length))
        cv2.circle(pattern, logo_centre, round(0.17 * shoulder_width), logo.tolist(), -1, cv2.LINE_AA)
    image = _shaded(pattern, inside + 0.5, _round_shade(across, 0.66, 0.40))
    return Sprite(image, (centre, neck), (centre, neck + length))


def shadow(half_width: float) -> Sprite:
    """Return a soft, flat, dark ellipse; the anchors are its centre and a point one half-height below it."""
    half_height = 0.17 * half_width
    margin = 1.5  # in half sizes; the shadow is fully transparent there
    width, height = math.ceil(2 * margin * half_width), math.ceil(2 * margin * half_height)
    x, y = pixel_grid(height, width)
    radius = np.hypot((x - width / 2) / half_width, (y - height / 2) / half_height)
    alpha = 0.42 * np.clip(1.5 * (1.3 - radius) / 1.3, 0, 1)
    image = np.dstack([np.zeros((height, width, 3), np.float32), 255 * alpha]).astype(np.float32)
    return Sprite(image, (width / 2, height / 2), (width / 2, height / 2 + half_height))


def _round_shade(across: Floats, dark: float, gain: float) -> Floats:
    """Return the light on a cylinder lit from the left; `across` is -1 at its left edge and 1 at its right edge."""
    light: Floats = dark + gain * np.sqrt(np.clip(1 - 0.64 * (across + 0.25) ** 2, 0, 1))
    return light


def _shaded(texture: Floats, coverage: Floats, shade: Floats) -> Floats:
    height, width = coverage.shape
    alpha = np.clip(coverage, 0, 1)[..., None]
    colour = np.clip(_tiled(texture, height, width) * shade[..., None], 0, 255)
    return np.concatenate([colour * alpha, 255 * alpha], axis=2).astype(np.float32)


def _tiled(texture: Floats, height: int, width: int) -> Floats:
    rows, columns = math.ceil(height / texture.shape[0]), math.ceil(width / texture.shape[1])
    return np.tile(texture, (rows, columns, 1))[:height, :width] if rows * columns > 1 else texture[:height, :width]
