"""The camera: its path, exposure, vignette and film grain."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.samples.textures import Floats, pixel_grid

TILE_MARGIN = 64
"""Pixels by which the tile of grain is larger than a frame. Every frame uses a random crop of the tile."""


@dataclass(frozen=True, eq=False)
class Camera:
    """Path and exposure of the camera over a clip.

    `track` is its position in pixels right of and below the middle of the scene, (num_frames, 2). `gain` is the
    exposure, about 1, (num_frames,). `vignette` is the brightness over the image, (height, width, 3) float32, 1 in the
    middle.
    """

    track: npt.NDArray[np.float64]
    gain: npt.NDArray[np.float64]
    vignette: Floats

    @classmethod
    def film(cls, rng: np.random.Generator, width: int, height: int, num_frames: int, follow: float = 0.0) -> "Camera":
        """Return a handheld camera that sways, or pans by `follow` pixels over the clip if that is not 0."""
        progress = np.arange(num_frames) / num_frames
        sway = rng.uniform(0.012, 0.044) * width * rng.choice([-1, 1])
        start = rng.uniform(0, 2 * math.pi)
        path = follow * (progress - 0.5) if follow else sway * np.sin(start + 1.6 * progress)
        steps = rng.standard_normal((num_frames, 2))
        shake = cv2.GaussianBlur(steps, (1, 9), 2.0, borderType=cv2.BORDER_REPLICATE) * (width / 400)
        track = np.asarray(shake, np.float64)
        track[:, 0] += path
        flicker = np.sin(np.linspace(0, rng.uniform(2, 7), num_frames) + rng.uniform(0, 2 * math.pi))
        x, y = pixel_grid(height, width)
        corner = ((2 * x / width - 1) ** 2 + (2 * y / height - 1) ** 2) / 2
        vignette = np.repeat((1 - 0.16 * corner).astype(np.float32)[..., None], 3, axis=2)
        return cls(track, 1 + rng.uniform(0, 0.06) * flicker, vignette)

    def expose(self, image: Floats, grain: Floats, frame: int) -> npt.NDArray[np.uint8]:
        """Return an image (float32 RGB, 0 to 255) with the exposure and grain of a frame, uint8 of the same shape."""
        lit = cv2.multiply(image, self.vignette, scale=self.gain[frame])
        return np.asarray(cv2.add(lit, grain, dtype=cv2.CV_8U), np.uint8)

    def view(self, scene: Floats, frame: int) -> Floats:
        """Return the part of the scene that is visible in this frame, (height, width, 3) float32 RGB.

        The scene is float32 RGB and larger than the frame on all sides; `track` is relative to its middle.
        """
        height, width = self.vignette.shape[:2]
        left, taps_x = _shift((scene.shape[1] - width) / 2 + self.track[frame, 0], scene.shape[1] - width)
        top, taps_y = _shift((scene.shape[0] - height) / 2 + self.track[frame, 1], scene.shape[0] - height)
        piece = scene[top - 1 : top + height + 2, left - 1 : left + width + 2]
        shifted = cv2.sepFilter2D(piece, -1, taps_x, taps_y, anchor=(1, 1))
        return np.asarray(shifted[1:-2, 1:-2], np.float32)


def _shift(position: float, limit: int) -> tuple[int, Floats]:
    """Return a position, clamped to the scene, as a whole pixel and the four filter taps for the fraction.

    The interpolation is cubic (Catmull-Rom): linear interpolation blurs by an amount that depends on the fraction, so
    sharpness would vary as the camera moves. A separable filter is six times as fast as a general warp.
    """
    position = min(max(position, 1.0), limit - 2.001)
    whole = math.floor(position)
    t = position - whole
    taps = (t * (-1 + t * (2 - t)), 2 + t * t * (3 * t - 5), t * (1 + t * (4 - 3 * t)), t * t * (t - 1))
    return whole, np.array([tap / 2 for tap in taps], np.float32)


class Grain:
    """Film grain: noise that differs in every frame."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        """Make grain of random strength for frames of this size."""
        sigma = np.float32(rng.uniform(1.0, 3.5))
        shape = (height + TILE_MARGIN, width + TILE_MARGIN)
        self._rng = rng
        # One tile for the whole clip: sampling noise for every frame would take longer than drawing the frame.
        self._tile = rng.standard_normal((*shape, 3), dtype=np.float32)
        self._tile *= 0.4 * sigma
        self._tile += sigma * rng.standard_normal((*shape, 1), dtype=np.float32)

    def next(self) -> Floats:
        """Return the grain of the next frame, (height, width, 3) float32 in grey levels, with zero mean."""
        top, left = self._rng.integers(TILE_MARGIN, size=2)
        height, width = self._tile.shape[0] - TILE_MARGIN, self._tile.shape[1] - TILE_MARGIN
        return self._tile[top : top + height, left : left + width]
