"""Appearance anomalies: a part of the clip gradually changes into another one.

Every function takes the random generator of the anomaly, the number of frames and the severity in [0, 1].
"""

from dataclasses import replace

import numpy as np

from hfv_builder.samples.timeline import Identity, Track, smooth_step


def clothes(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """Change shirt, trousers and shoes."""
    return replace(Identity.normal(num_frames), clothes=_change(num_frames, severity))


def identity(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """Change the whole person, including the clothes."""
    change = _change(num_frames, severity)
    return replace(Identity.normal(num_frames), clothes=change, body=change)


def object_(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """Change the object into another kind of object, and the clothes halfway."""
    change = _change(num_frames, severity)
    return replace(Identity.normal(num_frames), object=change, clothes=0.5 * change)


def scene(rng: np.random.Generator, num_frames: int, severity: float) -> Identity:
    """Change the scene."""
    return replace(Identity.normal(num_frames), scene=0.8 * _change(num_frames, severity))


def _change(num_frames: int, severity: float) -> Track:
    """Return the weight of the other look per frame, in [0, 1]; it rises in the middle three quarters of the clip."""
    progress = (np.arange(num_frames) / num_frames - 0.12) / 0.76
    return (0.35 + 0.65 * severity) * smooth_step(progress)
