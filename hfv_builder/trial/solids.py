"""A ray tracer of boxes and spheres on a textured ground, with the exact inverse depth of every pixel."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hfv_builder.trial.pattern import Floats, Pattern

EYE_HEIGHT = 1.5
"""Metres above the ground."""
PITCH = 8.0
"""Degrees by which the camera looks down."""
HALF_VIEW = np.tan(np.deg2rad(30))
"""Tangent of half the horizontal field of view."""
SUN = np.array([0.45, 0.75, -0.48]) / np.linalg.norm([0.45, 0.75, -0.48])
"""Direction to the light: x to the right, y up, z away from the camera."""
SHADE = 0.35
"""Share of the light that reaches surfaces in shadow."""
SKY = np.array([150.0, 185.0, 225.0])
FAR = 60.0
"""Metres; the ground ends here, in front of the sky."""
GRAIN = 60.0
"""Units of a pattern's coordinates per metre."""
CONTRAST = 22.0
"""Grey levels; deviation of the texture of near surfaces."""
FADING = 9.0
"""Metres over which the texture fades, as details become too small to be resolved."""
NOTHING, GROUND = -2, -1


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A sphere, or a box whose sides are parallel to the axes, that stands on the ground."""

    x: float
    """Metres to the right of the camera."""
    z: float
    """Metres in front of the camera."""
    size: float
    """Metres; diameter or side."""
    colour: tuple[float, float, float]
    """RGB, 0 to 255."""
    round: bool
    """Whether it is a sphere."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A rendered scene."""

    rgb: npt.NDArray[np.uint8]
    """(H, W, 3)."""
    inverse_depth: Floats
    """(H, W), 1 / metres along the axis of the camera; 0 in the sky."""
    solid: npt.NDArray[np.int64]
    """(H, W), number of the visible solid, or `GROUND`, or `NOTHING`."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Solids on a ground below a sky."""

    solids: tuple[Solid, ...]
    ground: tuple[float, float, float]
    """RGB, 0 to 255."""
    seed: int = 0
    """Of the textures."""
    eye: tuple[float, float] = field(default=(0.0, 0.0))
    """Position of the camera: metres to the right and to the front."""

    @lru_cache(maxsize=16)  # noqa: B019 (scenes are few constants)
    def render(self, height: int, width: int) -> View:
        """Return the view of the camera."""
        origin = np.array([self.eye[0], EYE_HEIGHT, self.eye[1]])
        rays = _rays(height, width)
        reach, number = self._nearest(origin, rays)
        points = origin + rays * np.where(np.isfinite(reach), reach, 0)[..., None]
        rgb = np.broadcast_to(SKY, points.shape).copy() + 25 * rays[..., 1:2]
        for index, colour in [(GROUND, self.ground), *((i, solid.colour) for i, solid in enumerate(self.solids))]:
            visible = number == index
            if visible.any():
                rgb[visible] = self._shaded(points[visible], index, np.array(colour))
        # The length of a ray is in units of its part along the axis of the camera.
        inverse = np.where(np.isfinite(reach), 1 / np.maximum(reach, 1e-6), 0.0)
        return View(rgb=np.clip(np.rint(rgb), 0, 255).astype(np.uint8), inverse_depth=inverse, solid=number)

    def _nearest(self, origin: Floats, rays: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Return how far each ray reaches, infinite for none, and what it hits."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ground = np.where(rays[..., 1] < 0, -origin[..., 1] / rays[..., 1], np.inf)
        ground = np.where(
            (origin + rays * np.where(np.isfinite(ground), ground, 0)[..., None])[..., 2] < FAR, ground, np.inf
        )
        reach, number = ground, np.where(np.isfinite(ground), GROUND, NOTHING)
        for index, solid in enumerate(self.solids):
            hit = _hit(solid, origin, rays)
            nearer = hit < reach
            reach, number = np.where(nearer, hit, reach), np.where(nearer, index, number)
        return reach, number

    def _shaded(self, points: Floats, index: int, colour: Floats) -> Floats:
        """Return the colours, (n, 3), of points of a surface."""
        normals = np.array([[0.0, 1.0, 0.0]]) if index == GROUND else _normals(self.solids[index], points)
        light = np.maximum(normals @ SUN, 0)
        blocked, _ = self._nearest(points + 1e-3 * normals, np.broadcast_to(SUN, points.shape))
        light = SHADE + (1 - SHADE) * np.where(np.isfinite(blocked), 0, light)
        x, y, z = GRAIN * points.T
        texture = Pattern(100 * self.seed + index + 1).at(x + 0.3 * y, z + 0.7 * y)
        contrast = CONTRAST * np.exp(-points[:, 2] / FADING)
        return (colour + contrast[:, None] * texture) * light[:, None]


def _rays(height: int, width: int) -> Floats:
    """Return the direction of the ray through each pixel, (H, W, 3); its part along the camera's axis is 1."""
    across = (np.arange(width) + 0.5 - width / 2) / (width / 2) * HALF_VIEW
    down = (np.arange(height) + 0.5 - height / 2) / (width / 2) * HALF_VIEW
    right, low = np.meshgrid(across, down)
    pitch = np.deg2rad(PITCH)
    forward, up = np.array([0, -np.sin(pitch), np.cos(pitch)]), np.array([0, np.cos(pitch), np.sin(pitch)])
    return np.asarray(forward + right[..., None] * np.array([1.0, 0, 0]) - low[..., None] * up, np.float64)


def _hit(solid: Solid, origin: Floats, rays: Floats) -> Floats:
    """Return how far each ray goes to the solid; infinite where it misses."""
    half = solid.size / 2
    centre = np.array([solid.x, half, solid.z])
    with np.errstate(divide="ignore", invalid="ignore"):
        if solid.round:
            to = origin - centre
            a, b = (rays**2).sum(-1), (rays * to).sum(-1)
            root = b**2 - a * ((to**2).sum(-1) - half**2)
            near = (-b - np.sqrt(np.maximum(root, 0))) / a
            return np.where((root > 0) & (near > 1e-3), near, np.inf)
        first, second = (centre - half - origin) / rays, (centre + half - origin) / rays
        enter = np.nanmax(np.minimum(first, second), axis=-1)
        leave = np.nanmin(np.maximum(first, second), axis=-1)
        return np.where((enter < leave) & (enter > 1e-3), enter, np.inf)


def _normals(solid: Solid, points: Floats) -> Floats:
    """Return the outward normals, (n, 3), at points of its surface."""
    offset = points - np.array([solid.x, solid.size / 2, solid.z])
    if solid.round:
        return np.asarray(offset / np.linalg.norm(offset, axis=1, keepdims=True), np.float64)
    side = np.argmax(np.abs(offset), axis=1)
    return np.asarray(np.eye(3)[side] * np.sign(np.take_along_axis(offset, side[:, None], 1)), np.float64)
