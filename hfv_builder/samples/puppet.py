"""The puppet: sprites placed on the joints of a skeleton, and the order in which they are drawn."""

import math
from collections.abc import Mapping

import numpy as np

from hfv_builder.samples.head import View
from hfv_builder.samples.skeleton import SIDES, Joints, Stance
from hfv_builder.samples.sprite import SUPERSAMPLE, Placed, Point, Sprite, place

FAR_SHADE = 0.72
"""Brightness of the far arm and leg in the side view."""


def place_figure(
    parts: Mapping[str, Sprite], joints: Joints, stance: Stance, *, head_scale: float, sticks: bool
) -> dict[str, list[Placed]]:
    """Return the placed sprites of each group: arm_right, arm_left, leg_right, leg_left, trunk, head."""
    height = stance.body_height
    mirror = stance.view == "side" and stance.facing < 0
    groups = {
        "trunk": [place(parts["trunk"], joints["neck"], joints["hip"], mirror=mirror)],
        # The top anchor of the head is its neck. It is mirrored relative to the other parts.
        "head": [place(parts["head"], joints["chin"], joints["crown"], thickness=head_scale, mirror=not mirror)],
    }
    for side in SIDES:
        shade = FAR_SHADE if stance.view == "side" and side == "left" else 1.0
        elbow, wrist = joints[f"elbow_{side}"], joints[f"wrist_{side}"]
        hand = _direction(elbow, wrist) * height
        arm = [
            place(parts["forearm"], elbow, wrist, mirror=mirror, shade=shade),
            place(parts["hand"], wrist, wrist + 0.022 * hand, mirror=mirror, shade=shade),
            place(parts["upper_arm"], joints[f"shoulder_{side}"], elbow, mirror=mirror, shade=shade),
        ]
        if sticks:
            arm.insert(0, place(parts["stick"], wrist, wrist + 0.14 * hand))
        knee, ankle = joints[f"knee_{side}"], joints[f"ankle_{side}"]
        leg = [
            place(parts["thigh"], joints[f"thigh_{side}"], knee, mirror=mirror, shade=shade),
            place(parts["foot"], ankle, joints[f"toe_{side}"], mirror=mirror, shade=shade),
            place(parts["shin"], knee, ankle, mirror=mirror, shade=shade),
        ]
        groups[f"arm_{side}"], groups[f"leg_{side}"] = arm, leg
    return groups


def place_shadow(parts: Mapping[str, Sprite], joints: Joints, stance: Stance) -> Placed:
    """Return the placed shadow on the ground between the feet."""
    middle = (joints["ankle_right"][0] + joints["ankle_left"][0]) / 2
    centre = np.array([middle, stance.ground[1] + 0.02 * stance.body_height])
    sprite = parts["shadow"]
    half_height = (sprite.bottom[1] - sprite.top[1]) / SUPERSAMPLE
    return place(sprite, centre, centre + np.array([0, half_height]))


def drawing_order(view: View, *, handled: bool, swapped: bool) -> list[str]:
    """Return the groups of `place_figure` and "object", farthest first.

    `handled` draws the hands in front of the object. `swapped` is the impossible order: the groups in front of the
    trunk (near arm, near leg, object) are drawn behind it, and the groups behind it in front.
    """
    if view == "side":
        if swapped:
            return ["object", "arm_right", "leg_right", "trunk", "head", "leg_left", "arm_left"]
        near = ["object", "arm_right"] if handled else ["arm_right", "object"]
        return ["arm_left", "leg_left", "leg_right", "trunk", "head", *near]
    if swapped:
        return ["object", "arm_left", "arm_right", "head", "leg_left", "leg_right", "trunk"]
    arms = ["arm_left", "arm_right"]
    return ["leg_left", "leg_right", "trunk", "head", *(["object", *arms] if handled else [*arms, "object"])]


def _direction(start: Point, end: Point) -> Point:
    span = end - start
    return span / max(math.hypot(*span), 1e-6)
