"""Scenes behind the figure: a park, a room, a street. A scene is one large image that the camera pans over."""

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from hfv_builder.samples.textures import Colour, Floats, cloth, hsv, noise, pixel_grid, resized, rgb

SUPERSAMPLE = 2
"""Supersampling factor of scenes, against aliasing when the camera moves."""
MARGIN = (0.25, 1 / 12)
"""Margin of a scene on each side of the frame, in frame widths and frame heights."""

Backdrop: TypeAlias = Callable[[np.random.Generator, Floats, int, float], None]
"""(rng, canvas, horizon, unit): paints the canvas above the row `horizon`; `unit` scales all sizes."""


def draw_scene(kind: str, rng: np.random.Generator, width: int, height: int) -> Floats:
    """Return a scene for frames of `width` x `height`, float32 RGB, 0 to 255.

    `kind` is a key of `SCENES`. The scene is larger than the frame by `MARGIN` on each side, for the camera to move.
    """
    full_width, full_height = scene_size(width, height)
    canvas = np.zeros((SUPERSAMPLE * full_height, SUPERSAMPLE * full_width, 3), np.float32)
    unit = canvas.shape[0] / 560
    horizon = round(canvas.shape[0] * rng.uniform(0.52, 0.62))
    backdrop, ground = SCENES[kind]
    backdrop(rng, canvas, horizon, unit)
    canvas[:horizon] += 3 * noise(rng, horizon, canvas.shape[1], (4 * unit, 1.6 * unit))[..., None]
    canvas[horizon:] = ground(rng, canvas.shape[0] - horizon, canvas.shape[1], unit)
    return np.clip(resized(canvas, full_width, full_height), 0, 255)


def scene_size(width: int, height: int) -> tuple[int, int]:
    """Return the width and height of a scene for frames of this size, in pixels."""
    return width + 2 * round(MARGIN[0] * width), height + 2 * round(MARGIN[1] * height)


def _park(rng: np.random.Generator, canvas: Floats, horizon: int, unit: float) -> None:
    width = canvas.shape[1]
    sky = hsv(0.57, 0.35, 0.95)
    fade = np.linspace(0, 0.5, horizon, dtype=np.float32)[:, None, None]
    clouds = np.clip(noise(rng, horizon, width, (85 * unit, 43 * unit, 21 * unit)), 0, 3)
    canvas[:horizon] = sky + (255 - sky) * fade + 9 * clouds[..., None]
    for _ in range(15):
        _tree(rng, canvas, rng.uniform(0, width), horizon + rng.uniform(-4, 16) * unit, rng.uniform(40, 90) * unit)


def _tree(rng: np.random.Generator, canvas: Floats, x: float, foot: float, size: float) -> None:
    _box(canvas, x - 0.09 * size, foot - size, x + 0.09 * size, foot, rgb(88, 62, 42))
    for _ in range(7):
        green = hsv(rng.uniform(0.25, 0.36), rng.uniform(0.5, 0.7), rng.uniform(0.3, 0.58))
        centre = (round(x + rng.normal(0, 0.35 * size)), round(foot - 1.1 * size + rng.normal(0, 0.3 * size)))
        cv2.circle(canvas, centre, max(1, round(size * rng.uniform(0.22, 0.42))), green.tolist(), -1)


def _room(rng: np.random.Generator, canvas: Floats, horizon: int, unit: float) -> None:
    width = canvas.shape[1]
    wall = hsv(rng.uniform(), 0.22, 0.82)
    x, y = pixel_grid(horizon, width)
    stripes = (x + 6 * unit * np.sin(y / (30 * unit))) % (44 * unit) < 6 * unit
    canvas[:horizon] = np.where(stripes[..., None], 0.88 * wall, wall)
    # One painting per slot, so that paintings do not overlap.
    slots = 5
    for slot in range(slots):
        size = rng.uniform(75, 125) * unit
        left = (slot + rng.uniform(0.05, 0.25)) * width / slots
        top = rng.uniform(0.12, 0.4) * horizon
        right, bottom = left + min(1.3 * size, 0.7 * width / slots), top + size
        _box(canvas, left, top, right, bottom, rgb(70, 50, 35))
        rows = slice(round(top + 6 * unit), round(bottom - 6 * unit))
        columns = slice(round(left + 6 * unit), round(right - 6 * unit))
        painted = canvas[rows, columns].shape
        colours = (hsv(rng.uniform(), 0.6, 0.9), hsv(rng.uniform(), 0.7, 0.6))
        canvas[rows, columns] = cloth(rng, painted[0], painted[1], colours, pattern="camouflage", repeat=32 * unit)
    canvas[horizon - round(14 * unit) : horizon] = (215, 210, 200)


def _street(rng: np.random.Generator, canvas: Floats, horizon: int, unit: float) -> None:
    width = canvas.shape[1]
    brick_width, brick_height = 30 * unit, 13 * unit
    x, y = pixel_grid(horizon, width)
    row = np.floor(y / brick_height)
    shifted = x + (row % 2) * brick_width / 2
    tints = rng.uniform(0.8, 1.15, (int(row.max()) + 1, int(width / brick_width) + 3)).astype(np.float32)
    tint = tints[row.astype(int), np.floor(shifted / brick_width).astype(int)][..., None]
    mortar = (y % brick_height < 2 * unit) | (shifted % brick_width < 2 * unit)
    brick = hsv(rng.uniform(0.0, 0.08), 0.5, 0.62)
    canvas[:horizon] = np.where(mortar[..., None], rgb(176, 170, 162), brick * tint)
    frame = rgb(225, 222, 214)
    for left in np.arange(40 * unit, width, 150 * unit):
        window_x, window_y = left + rng.uniform(-15, 15) * unit, horizon - 190 * unit
        glass = hsv(0.58, 0.3, rng.uniform(0.3, 0.75))
        _box(canvas, window_x, window_y, window_x + 80 * unit, window_y + 105 * unit, frame)
        for pane in (6 * unit, 43 * unit):
            pane_x = window_x + pane
            _box(canvas, pane_x, window_y + 6 * unit, pane_x + 31 * unit, window_y + 99 * unit, glass)


def _lawn(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
    nearness = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    return hsv(0.29, 0.55, 0.55) * (0.75 + 0.45 * nearness)[..., None] + _grain(rng, nearness, width, unit)


def _floor(colour: Colour) -> Callable[[np.random.Generator, int, int, float], Floats]:
    """Return a painter of a tiled floor in perspective, so that it looks like ground and not like a wall."""

    def paint(rng: np.random.Generator, height: int, width: int, unit: float) -> Floats:
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        distance = height / np.maximum(rows, 1)
        across = (columns - width / 2) / unit * distance
        away = 120 * distance
        joints = (across % 130 < 7) | (away % 70 < 3)
        sheen: Floats = 11 * np.sin(across / 36) * np.sin(away / 22)
        nearness = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        tiles = np.where(joints[..., None], 0.8 * colour, colour) + sheen[..., None]
        return tiles + _grain(rng, nearness, width, unit)

    return paint


def _grain(rng: np.random.Generator, nearness: Floats, width: int, unit: float) -> Floats:
    """Return fine noise that gets stronger towards the viewer, (height, width, 1)."""
    fine = noise(rng, len(nearness), width, (8 * unit, 2.7 * unit, 1.3 * unit))
    return (fine * (5 + 10 * nearness))[..., None]


def _box(canvas: Floats, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    cv2.rectangle(canvas, (round(left), round(top)), (round(right), round(bottom)), colour.tolist(), -1)


SCENES: dict[str, tuple[Backdrop, Callable[[np.random.Generator, int, int, float], Floats]]] = {
    "park": (_park, _lawn),
    "room": (_room, _floor(hsv(0.07, 0.5, 0.6))),
    "street": (_street, _floor(rgb(128, 126, 124))),
}
"""The painters above and below the horizon of each kind of scene."""
