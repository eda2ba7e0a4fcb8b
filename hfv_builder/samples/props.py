"""Positions of the objects of each action. The functions take joints, stance, phase and the object's size in pixels."""

import math
from dataclasses import dataclass

import numpy as np

from hfv_builder.samples.skeleton import Joints, Stance
from hfv_builder.samples.sprite import Point


@dataclass(frozen=True)
class Prop:
    """An object in the frame.

    `at` is the point (frame pixels) that stays fixed when the object changes its size. `hold` is the point of the
    object at that position: -1 its top, 0 its centre, 1 its bottom.
    """

    at: Point
    hold: float = 0.0
    rope: bool = False
    """Whether the object hangs on a rope from the top of the frame."""


def carried(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return an object that hangs from the near hand."""
    return [Prop(joints["wrist_right"] - np.array([0, 0.01 * stance.body_height]), hold=-1)]


def under_arm(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return an object that is held against the left hip."""
    inwards = np.array([0.55 * size, 0.1 * size])
    return [Prop(joints["wrist_left"] + inwards)]


def at_feet(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return an object that stands on the ground in front of the feet."""
    return [Prop(stance.ground + np.array([0, 0.05 * stance.body_height]), hold=1)]


def in_both_hands(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return an object that is held in front with both hands."""
    between = (joints["wrist_right"] + joints["wrist_left"]) / 2
    return [Prop(between + np.array([0.5 * stance.facing, 0.25]) * size)]


def at_belly(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return an object in front of the belly, whose upper edge stays at the height of the beating hands."""
    return [Prop(joints["hip"] + np.array([0, 0.55 * size - 0.02 * stance.body_height]))]


def bounced(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return an object that bounces between the near hand and the ground, slower near the hand as under gravity."""
    hand = joints["wrist_right"]
    high, low = hand[1] + 0.9 * size, stance.ground[1] + 0.03 * stance.body_height - size
    height = (0.5 + 0.5 * math.cos(phase)) ** 0.6
    return [Prop(np.array([hand[0] + 0.03 * stance.facing * stance.body_height, low + (high - low) * height]))]


def thrown(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return three objects that fly from hand to hand in arcs."""
    props = []
    for turn in range(3):
        throws = phase / math.pi + turn * 2 / 3
        from_right = math.floor(throws) % 2 == 0
        first, second = joints["wrist_right"], joints["wrist_left"]
        start, end = (first, second) if from_right else (second, first)
        flight = throws % 1.0
        arc = 4 * flight * (1 - flight) * 0.42 * stance.body_height
        props.append(Prop(start * (1 - flight) + end * flight - np.array([0, arc + 0.6 * size])))
    return props


def hanging(joints: Joints, stance: Stance, phase: float, size: float) -> list[Prop]:
    """Return an object on a rope in front of the fists, which recoils at each punch."""
    blow = 0.05 * math.sin(phase) ** 2
    offset = np.array([stance.facing * (0.44 + blow), -0.62]) * stance.body_height
    return [Prop(stance.ground + offset, rope=True)]
