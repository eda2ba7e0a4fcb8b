"""Changes of frames in training: blur, JPEG, crops and flips, as in CNNDet (Wang et al., CVPR 2020, §3.2)."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.release.operations import compressed

Images = npt.NDArray[np.uint8]
"""(…, 3, H, W) RGB."""
SIGMA = 3.0
"""Pixels; σ of a blur is drawn from 0 to this."""
QUALITY = 30, 100
"""JPEG qualities are drawn from this range; both ends are included."""


def blur_or_compress(images: Images, rng: np.random.Generator, *, share: float) -> Images:
    """Return the images blurred, compressed, both or neither, each of the two with the probability `share`.

    All images are changed in the same way.
    """
    is_blurred, is_compressed = rng.random(2) < share
    sigma, quality = rng.uniform(0, SIGMA), int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    flat: list[Any] = [*images.reshape(-1, *images.shape[-3:]).transpose(0, 2, 3, 1)]
    if is_blurred and sigma > 0:
        flat = [cv2.GaussianBlur(image, (0, 0), sigma) for image in flat]
    if is_compressed:
        flat = [compressed(np.ascontiguousarray(image), quality) for image in flat]
    return np.stack(flat).transpose(0, 3, 1, 2).reshape(images.shape)


def random_crop(images: Images, side: int, rng: np.random.Generator) -> Images:
    """Return a square of the images, at the same random place in all."""
    height, width = images.shape[-2:]
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return images[..., top : top + side, left : left + side]


def centre_crop(images: Images, side: int) -> Images:
    """Return the square in the middle of the images."""
    top, left = ((size - side) // 2 for size in images.shape[-2:])
    return images[..., top : top + side, left : left + side]


def maybe_flip(images: Images, rng: np.random.Generator) -> Images:
    """Return all images mirrored or all unchanged, with equal probability."""
    return images[..., ::-1] if rng.random() < 0.5 else images
