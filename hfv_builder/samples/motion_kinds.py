"""Motion anomalies: physically impossible body motion.

Every function takes the random generator of the anomaly, the number of frames and the severity in [0, 1].
"""

import math
from dataclasses import replace

import numpy as np

from hfv_builder.samples.pose import ANGLES
from hfv_builder.samples.timeline import Kinematics, random_pieces, smooth_step


def spin(rng: np.random.Generator, num_frames: int, severity: float) -> Kinematics:
    """Rotate the figure about its hips in the image plane."""
    start, end = rng.uniform(0.1, 0.3), rng.uniform(0.6, 0.9)
    turns = (1 + round(severity)) * rng.choice([-1, 1])
    progress = (np.arange(num_frames) / num_frames - start) / (end - start)
    return replace(Kinematics.normal(num_frames), turn=2 * math.pi * turns * smooth_step(progress))


def jitter(rng: np.random.Generator, num_frames: int, severity: float) -> Kinematics:
    """Add noise to all joint angles, independent in every frame."""
    strength = 0.15 + 0.55 * severity
    joints = {
        name: strength * (0.4 if name in ("lean", "nod") else 1.0) * rng.standard_normal(num_frames) for name in ANGLES
    }
    offset = (0.007 + 0.036 * severity) * rng.standard_normal((num_frames, 2))
    return replace(Kinematics.normal(num_frames), joints=joints, offset=offset)


def shuffle(rng: np.random.Generator, num_frames: int, severity: float) -> Kinematics:
    """Permute the frames of the motion inside short windows, and move the figure sideways in jumps."""
    normal = Kinematics.normal(num_frames)
    window = 3 + round(7 * severity)
    clock = np.concatenate(
        [rng.permutation(normal.clock[start : start + window]) for start in range(0, num_frames, window)]
    )
    pieces = random_pieces(rng, num_frames, 1 + round(4 * severity))
    offset = np.zeros((num_frames, 2))
    offset[:, 0] = (rng.uniform(-1, 1, pieces.max() + 1) * (0.06 + 0.33 * severity))[pieces]
    return replace(normal, clock=clock, offset=offset)


def stutter(rng: np.random.Generator, num_frames: int, severity: float) -> Kinematics:
    """Freeze the motion for a few frames, then jump far ahead, repeatedly."""
    normal = Kinematics.normal(num_frames)
    hold = 3 + round(5 * severity)
    return replace(normal, clock=np.floor(normal.clock / hold) * hold * (1 + 1.2 * severity))


def bend(rng: np.random.Generator, num_frames: int, severity: float) -> Kinematics:
    """Bend elbows and knees abruptly in the wrong direction and back."""
    frames = np.arange(num_frames)
    snapped = np.sin(frames * (0.5 + 0.8 * severity)) > 0
    angle = snapped * (0.5 + 0.5 * severity)
    joints = {
        f"{joint}_{side}": gain * angle for joint, gain in (("elbow", 1.9), ("knee", 1.7)) for side in ("right", "left")
    }
    return replace(Kinematics.normal(num_frames), joints=joints)
