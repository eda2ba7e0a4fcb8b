"""The skeleton: positions of the joints of a posed figure in the frame."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hfv_builder.samples.head import View
from hfv_builder.samples.pose import Pose
from hfv_builder.samples.sprite import Point

Joints: TypeAlias = dict[str, Point]
"""hip, neck, chin, crown, and shoulder, elbow, wrist, thigh, knee, ankle, toe with the suffixes _right and _left."""

LIMBS = ("arm_right", "arm_left", "leg_right", "leg_left")
SIDES = ("right", "left")

TRUNK, NECK, HEAD_RADIUS = 0.30, 0.03, 0.078
UPPER_ARM, FOREARM, THIGH, SHIN = 0.165, 0.15, 0.235, 0.225
ANKLE_HEIGHT = 0.035
"""Lengths in body heights."""

HALF_SHOULDERS: dict[View, float] = {"front": 0.112, "side": 0.013}
HALF_HIPS: dict[View, float] = {"front": 0.060, "side": 0.011}


@dataclass(frozen=True)
class Stance:
    """Position, size and orientation of a figure.

    `ground` is the point of the frame between its feet, `body_height` its height in frame pixels. `facing` is 1 towards
    +x and -1 towards -x. In the front view `facing` is 1 and "right" is the viewer's right.
    """

    ground: Point
    body_height: float
    view: View
    facing: int


def pose_joints(
    pose: Pose,
    stance: Stance,
    *,
    limb_scale: Mapping[str, float] | None = None,
    head_scale: float = 1.0,
    turn: float = 0.0,
) -> Joints:
    """Return the positions of all joints of a figure, in frame pixels.

    `limb_scale` stretches limbs (keys are names of `LIMBS`, 1 is natural) and `head_scale` the head; the hips stay in
    place. `turn` (radians, clockwise) rotates the figure about its hips in the image plane.
    """
    height, facing, side_view = stance.body_height, stance.facing, stance.view == "side"
    scale = limb_scale or {}

    def down(angle: float, length: float, sign: int = 1) -> Point:
        return np.array([math.sin(angle) * facing * sign, math.cos(angle)]) * (length * height)

    def up(angle: float, length: float) -> Point:
        return np.array([math.sin(angle) * facing, -math.cos(angle)]) * (length * height)

    joints: Joints = {"hip": _hip(pose, stance)}
    joints["neck"] = joints["hip"] + up(pose.lean, TRUNK)
    joints["chin"] = joints["neck"] + up(pose.lean + pose.nod, NECK)
    joints["crown"] = joints["chin"] + up(pose.lean + pose.nod, 2.2 * HEAD_RADIUS * head_scale)
    sideways = np.array([math.cos(pose.lean), math.sin(pose.lean) * facing]) * height
    for name, outwards in zip(SIDES, (1, -1), strict=True):
        # In the front view the two sides are mirrored; in the side view they have the same orientation.
        sign = 1 if side_view else outwards
        arm, leg = scale.get(f"arm_{name}", 1.0), scale.get(f"leg_{name}", 1.0)
        step = outwards * (facing if side_view else 1)
        shoulder = joints["neck"] + sideways * (step * HALF_SHOULDERS[stance.view]) - up(pose.lean, 0.035)
        upper_arm = getattr(pose, f"shoulder_{name}")
        forearm = upper_arm + getattr(pose, f"elbow_{name}")
        thigh_top = joints["hip"] + np.array([step * HALF_HIPS[stance.view] * height, 0.0])
        thigh = getattr(pose, f"hip_{name}")
        shin = thigh + getattr(pose, f"knee_{name}")
        joints[f"shoulder_{name}"] = shoulder
        joints[f"elbow_{name}"] = shoulder + down(upper_arm, UPPER_ARM * arm, sign)
        joints[f"wrist_{name}"] = joints[f"elbow_{name}"] + down(forearm, FOREARM * arm, sign)
        joints[f"thigh_{name}"] = thigh_top
        joints[f"knee_{name}"] = thigh_top + down(thigh, THIGH * leg, sign)
        joints[f"ankle_{name}"] = joints[f"knee_{name}"] + down(shin, SHIN * leg, sign)
        # In the front view feet point at the viewer, which is downwards in the image, and slightly outwards.
        toe = np.array([0.070 * facing, 0.012] if side_view else [0.038 * outwards, 0.045])
        joints[f"toe_{name}"] = joints[f"ankle_{name}"] + toe * height
    return _turned(joints, turn) if turn else joints


def _turned(joints: Joints, turn: float) -> Joints:
    hip, cosine, sine = joints["hip"], math.cos(turn), math.sin(turn)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return {name: hip + rotation @ (point - hip) for name, point in joints.items()}


def _hip(pose: Pose, stance: Stance) -> Point:
    """Return the middle of the hips, at the height at which the lower foot touches the ground."""
    legs = [(getattr(pose, f"hip_{side}"), getattr(pose, f"knee_{side}")) for side in SIDES]
    reach = max(THIGH * math.cos(hip) + SHIN * math.cos(hip + knee) for hip, knee in legs)
    forwards = pose.shift
    if pose.planted:
        hip, knee = legs[0]
        forwards -= 0.5 * (THIGH * math.sin(hip) + SHIN * math.sin(hip + knee))
    offset = np.array([stance.facing * forwards, -(reach + ANKLE_HEIGHT + pose.rise)])
    return stance.ground + offset * stance.body_height
