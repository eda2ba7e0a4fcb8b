"""Appearance anomalies: something slowly turns into something else.

Each kind takes the anomaly's random numbers, the number of frames and the severity (0 to 1).
"""

from dataclasses import replace

import numpy as np

from hfv_builder.samples.timeline import Identity, Track, smooth_step


def clothes(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """Shirt, trousers and shoes become others."""
    return replace(Identity.normal(num_frames), clothes=_change(num_frames, severity))


def identity(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """The person becomes another one, clothes and all."""
    change = _change(num_frames, severity)
    return replace(Identity.normal(num_frames), clothes=change, body=change)


def object_(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """The object becomes another kind of thing, and the clothes half change."""
    change = _change(num_frames, severity)
    return replace(Identity.normal(num_frames), object=change, clothes=0.5 * change)


def scene(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """The place becomes another place."""
    return replace(Identity.normal(num_frames), scene=0.8 * _change(num_frames, severity))


def _change(num_frames: int, severity: float) -> Track:
    """How far the change has come; it takes up the middle three quarters of the clip."""
    progress = (np.arange(num_frames) / num_frames - 0.12) / 0.76
    return (0.35 + 0.65 * severity) * smooth_step(progress)
