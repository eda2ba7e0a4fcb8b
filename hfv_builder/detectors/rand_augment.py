"""Random changes of a view in training, the same for all its frames: RandAugment, a random crop, random erasing.

RandAugment (Cubuk et al., 2020) as video transformers use it, `rand-m7-n4-mstd0.5-inc1` in timm's notation. timm
draws from the global random generator, which threads would share; here each view has its own generator.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

GREY = [128.0, 128.0, 128.0]
SPREAD = 0.5
"""Standard deviation of the magnitude."""
CHANCE = 0.5
"""Probability that a chosen operation is applied."""
RATIOS = (3 / 4, 4 / 3)
"""Width / height of random crops and erased regions of either kind."""
ERASED = (0.02, 1 / 3)
"""Share of a view that is erased."""
ATTEMPTS = 10


def _warp(
    images: Tensor, *, angle: float = 0.0, shear: tuple[float, float] = (0, 0), move: tuple[float, float] = (0, 0)
) -> Tensor:
    height, width = images.shape[-2:]
    warped: Tensor = F.affine(
        images,
        angle=angle,
        translate=[round(move[0] * width), round(move[1] * height)],
        scale=1.0,
        shear=[math.degrees(math.atan(own)) for own in shear],
        interpolation=InterpolationMode.BILINEAR,
        fill=GREY,
    )
    return warped


def _add(images: Tensor, amount: int) -> Tensor:
    return torch.where(images < 128, (images.int() + amount).clamp(0, 255).to(torch.uint8), images)


OPERATIONS: Mapping[str, Callable[[Tensor, float, int], Tensor]] = {
    "auto_contrast": lambda images, m, sign: F.autocontrast(images),
    "equalize": lambda images, m, sign: F.equalize(images),
    "invert": lambda images, m, sign: F.invert(images),
    "rotate": lambda images, m, sign: _warp(images, angle=sign * 30 * m),
    "posterize": lambda images, m, sign: F.posterize(images, 4 - int(4 * m)),
    "solarize": lambda images, m, sign: F.solarize(images, min(255, 256 - int(256 * m))),
    "solarize_add": lambda images, m, sign: _add(images, int(110 * m)),
    "color": lambda images, m, sign: F.adjust_saturation(images, 1 + sign * 0.9 * m),
    "contrast": lambda images, m, sign: F.adjust_contrast(images, 1 + sign * 0.9 * m),
    "brightness": lambda images, m, sign: F.adjust_brightness(images, 1 + sign * 0.9 * m),
    "sharpness": lambda images, m, sign: F.adjust_sharpness(images, 1 + sign * 0.9 * m),
    "shear_x": lambda images, m, sign: _warp(images, shear=(sign * 0.3 * m, 0)),
    "shear_y": lambda images, m, sign: _warp(images, shear=(0, sign * 0.3 * m)),
    "translate_x": lambda images, m, sign: _warp(images, move=(sign * 0.45 * m, 0)),
    "translate_y": lambda images, m, sign: _warp(images, move=(0, sign * 0.45 * m)),
}
"""From frames, (T, 3, H, W) uint8, a magnitude in [0, 1] and a sign."""


def rand_augment(images: Tensor, rng: np.random.Generator, *, operations: int = 4, magnitude: float = 7.0) -> Tensor:
    """Apply randomly chosen operations, in the same way to all frames.

    Args:
        images: (T, 3, H, W) uint8.
        rng: of the view.
        operations: number of draws, each applied with the probability `CHANCE`.
        magnitude: mean of a normal distribution, in [0, 10].
    """
    names = [*OPERATIONS]
    for name in rng.choice(names, operations):
        applied, strength, sign = rng.random() < CHANCE, rng.normal(magnitude, SPREAD), rng.choice((-1, 1))
        if applied:
            images = OPERATIONS[name](images, float(np.clip(strength, 0, 10)) / 10, int(sign))
    return images


def random_crop(images: Tensor, side: int, rng: np.random.Generator, *, least: float = 0.08) -> Tensor:
    """Return a random region of at least the share `least` of the area, resized, (T, 3, side, side)."""
    height, width = images.shape[-2:]
    top, left, tall, wide = _region(height, width, (least, 1.0), RATIOS, rng) or _middle(height, width)
    crop: Tensor = F.resized_crop(images, top, left, tall, wide, [side, side], antialias=True)
    return crop


def erase(images: Tensor, rng: np.random.Generator, *, probability: float = 0.25) -> Tensor:
    """Return normalised frames, (T, 3, h, w) float32, perhaps with one region of all replaced by noise."""
    if rng.random() >= probability:
        return images
    region = _region(images.shape[-2], images.shape[-1], ERASED, (0.3, 1 / 0.3), rng)
    if region is None:
        return images
    top, left, tall, wide = region
    images = images.clone()
    own = images[..., top : top + tall, left : left + wide]
    own.copy_(torch.from_numpy(rng.standard_normal(own.shape, np.float32)))
    return images


def _region(
    height: int, width: int, areas: tuple[float, float], ratios: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """Return top, left, height and width of a random region; None if none fits in a few attempts."""
    for _ in range(ATTEMPTS):
        area = height * width * rng.uniform(*areas)
        ratio = math.exp(rng.uniform(math.log(ratios[0]), math.log(ratios[1])))
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1)), tall, wide
    return None


def _middle(height: int, width: int) -> tuple[int, int, int, int]:
    """Return the largest central region with an allowed aspect ratio."""
    wide = min(width, round(height * RATIOS[1]))
    tall = min(height, round(width / RATIOS[0]))
    return (height - tall) // 2, (width - wide) // 2, tall, wide
