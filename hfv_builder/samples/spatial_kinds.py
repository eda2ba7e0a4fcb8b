"""Spatial anomalies: sudden changes of depth order and size, and objects that intersect the body.

Every function takes the random generator of the anomaly, the number of frames and the severity in [0, 1].
"""

import math
from dataclasses import replace

import numpy as np

from hfv_builder.samples.skeleton import LIMBS
from hfv_builder.samples.timeline import Geometry, random_pieces


def order(rng: np.random.Generator, num_frames: int, severity: float) -> Geometry:
    """Move arms, legs and object abruptly behind the body and back."""
    pieces = random_pieces(rng, num_frames, 2 + round(10 * severity))
    # The object is held close to the body, because the order is visible only where both overlap.
    held = np.full(num_frames, 0.8)
    return replace(Geometry.normal(num_frames), swapped=pieces % 2 == 1, sunk=held)


def object_scale(rng: np.random.Generator, num_frames: int, severity: float) -> Geometry:
    """Switch the object abruptly between a large and a small size."""
    pieces = random_pieces(rng, num_frames, 2 + round(5 * severity))
    small = rng.uniform(1 / (1 + 0.6 * severity), 1.0, pieces.max() + 1)
    large = 1.2 + 1.1 * severity
    sizes = np.where(np.arange(len(small)) % 2 == 1, large, small)
    return replace(Geometry.normal(num_frames), object_scale=sizes[pieces])


def limb_length(rng: np.random.Generator, num_frames: int, severity: float) -> Geometry:
    """Lengthen one to three limbs abruptly; at a severity above 0.5 the head as well."""
    pieces = random_pieces(rng, num_frames, 2 + round(5 * severity))
    stretch = (0.3 + 0.9 * severity) * rng.uniform(0.7, 1.0, pieces.max() + 1)
    lengths = np.where(np.arange(len(stretch)) % 2 == 1, 1 + stretch, 1.0)[pieces]
    limbs = LIMBS[: 1 + round(2 * severity)]
    head = 1 + 0.4 * (lengths - 1) if severity > 0.5 else np.ones(num_frames)
    return replace(Geometry.normal(num_frames), limb_scale={limb: lengths for limb in limbs}, head_scale=head)


def sinking(rng: np.random.Generator, num_frames: int, severity: float) -> Geometry:
    """Move the object into the body and out again, drawn alternately in front of it and behind it."""
    start, end = rng.uniform(0.15, 0.35), rng.uniform(0.65, 0.9)
    frames = np.arange(num_frames)
    progress = np.clip((frames / num_frames - start) / (end - start), 0, 1)
    visits = np.sin(progress * math.pi * (1 + 2 * round(2 * severity)))
    sunk = np.clip(visits, 0, 1) * (0.5 + 0.5 * severity)
    return replace(Geometry.normal(num_frames), sunk=sunk, swapped=(sunk > 0.35) & (frames % 4 < 2))
