"""Poses: the joint angles of a figure, and one function per action that returns them at a phase.

Angles are in radians. An arm or leg at 0 hangs straight down; a positive angle turns it forwards (side view) or
outwards (front view). Elbow and knee angles are relative to the upper arm and the thigh. A phase of 2π is one cycle of
the action.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Pose:
    """Joint angles in radians; `rise` and `shift` move the hips up and forwards, in body heights."""

    lean: float = 0.0
    nod: float = 0.0
    shoulder_right: float = 0.15
    elbow_right: float = 0.25
    shoulder_left: float = 0.15
    elbow_left: float = 0.25
    hip_right: float = 0.06
    knee_right: float = 0.0
    hip_left: float = 0.06
    knee_left: float = 0.0
    rise: float = 0.0
    shift: float = 0.0
    planted: bool = False
    """Whether the hips move back when the knees bend, so that the feet do not move."""

    def bent_by(self, offsets: Mapping[str, float]) -> "Pose":
        """Return the pose with these angles (radians, by field name) added."""
        return replace(self, **{name: getattr(self, name) + angle for name, angle in offsets.items()})


ANGLES: tuple[str, ...] = tuple(field.name for field in fields(Pose)[:10])
"""The names of the joint angles of a `Pose`."""


def walk(phase: float) -> Pose:
    """Walk with the near arm almost still, because it carries an object."""
    swing, lift = math.sin(phase), math.cos(phase)
    return Pose(
        hip_right=0.50 * swing,
        hip_left=-0.50 * swing,
        knee_right=-(0.12 + 0.80 * max(0, lift)),
        knee_left=-(0.12 + 0.80 * max(0, -lift)),
        shoulder_right=0.05 - 0.16 * swing,
        elbow_right=0.1,
        shoulder_left=0.55 * swing,
        elbow_left=0.45 - 0.2 * swing,
        lean=0.06,
        rise=0.012 * math.cos(2 * phase),
    )


def wave(phase: float) -> Pose:
    """Wave with the right arm while the left arm holds an object against the hip."""
    sway = math.sin(phase)
    return Pose(
        shoulder_right=2.35 + 0.12 * sway,
        elbow_right=0.45 + 0.65 * math.sin(2 * phase),
        shoulder_left=0.62 + 0.04 * sway,
        elbow_left=-0.75,
        lean=0.04 * sway,
        nod=0.08 * sway,
        hip_right=0.09,
        hip_left=0.09,
    )


def jump(phase: float) -> Pose:
    """Do jumping jacks."""
    spread = 0.5 - 0.5 * math.cos(phase)
    arm, leg = 0.25 + 2.45 * spread, 0.04 + 0.36 * spread
    return Pose(
        shoulder_right=arm,
        shoulder_left=arm,
        elbow_right=0.1 + 0.15 * spread,
        elbow_left=0.1 + 0.15 * spread,
        hip_right=leg,
        hip_left=leg,
        rise=0.10 * abs(math.sin(phase)) - 0.01,
    )


def squat(phase: float) -> Pose:
    """Squat with an object held in front."""
    depth = 0.5 - 0.5 * math.cos(phase)
    return Pose(
        hip_right=0.05 + 1.35 * depth,
        hip_left=1.35 * depth,
        knee_right=-(0.05 + 1.95 * depth),
        knee_left=-1.95 * depth,
        lean=0.08 + 0.5 * depth,
        shoulder_right=0.75 + 0.55 * depth,
        shoulder_left=0.70 + 0.55 * depth,
        elbow_right=0.75 - 0.3 * depth,
        elbow_left=0.70 - 0.3 * depth,
        planted=True,
    )


def drum(phase: float) -> Pose:
    """Beat a drum at the belly with alternating hands."""
    beat = math.sin(phase)
    right, left = max(0.0, beat), max(0.0, -beat)
    return Pose(
        shoulder_right=0.62 + 0.30 * right,
        shoulder_left=0.62 + 0.30 * left,
        elbow_right=-0.95 - 1.45 * right,
        elbow_left=-0.95 - 1.45 * left,
        nod=0.06 * beat,
        lean=0.02 * beat,
        hip_right=0.1,
        hip_left=0.1,
    )


def dribble(phase: float) -> Pose:
    """Dribble: the near hand follows a bouncing ball."""
    high = math.cos(phase)
    return Pose(
        shoulder_right=0.75 - 0.22 * high,
        elbow_right=0.55 - 0.35 * high,
        shoulder_left=-0.35,
        elbow_left=0.5,
        hip_right=0.30,
        knee_right=-0.45 - 0.08 * high,
        hip_left=-0.12,
        knee_left=-0.35 - 0.08 * high,
        lean=0.2 + 0.03 * high,
        planted=True,
    )


def juggle(phase: float) -> Pose:
    """Juggle: the raised forearms bob alternately."""
    bob = math.sin(phase)
    return Pose(
        shoulder_right=0.35 + 0.08 * bob,
        shoulder_left=0.35 - 0.08 * bob,
        elbow_right=1.45 + 0.35 * bob,
        elbow_left=1.45 - 0.35 * bob,
        lean=0.03 * bob,
        nod=0.05 * bob,
        hip_right=0.1,
        hip_left=0.1,
    )


def punch(phase: float) -> Pose:
    """Punch with alternating fists."""
    right, left = max(0.0, math.sin(phase)) ** 2, max(0.0, -math.sin(phase)) ** 2
    return Pose(
        shoulder_right=0.55 + 0.95 * right,
        shoulder_left=0.55 + 0.95 * left,
        elbow_right=1.9 - 1.75 * right,
        elbow_left=1.9 - 1.75 * left,
        lean=0.1 + 0.12 * (right + left),
        hip_right=0.35,
        knee_right=-0.35,
        hip_left=-0.30,
        knee_left=-0.25,
        shift=0.03 * (right - left),
    )
