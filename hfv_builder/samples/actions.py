"""The eight actions: the view of the figure, its motion, and the object that it handles."""

from collections.abc import Callable
from dataclasses import dataclass

from hfv_builder.samples import pose as poses
from hfv_builder.samples import props
from hfv_builder.samples.head import View
from hfv_builder.samples.pose import Pose
from hfv_builder.samples.props import Prop
from hfv_builder.samples.skeleton import Joints, Stance


@dataclass(frozen=True)
class Action:
    """One action.

    `pose` returns the joint angles at a phase (radians), `props` the objects for given joints, stance, phase and object
    size (frame pixels). `size` is the size of the object in body heights.
    """

    view: View
    pose: Callable[[float], Pose]
    object: str
    size: float
    props: Callable[[Joints, Stance, float, float], list[Prop]]
    handled: bool = False
    """Whether the hands are drawn in front of the object."""
    sticks: bool = False
    """Whether the hands hold drumsticks."""
    travels: bool = False
    """Whether the figure crosses the frame."""


ACTIONS: dict[str, Action] = {
    "walk": Action("side", poses.walk, "suitcase", 0.125, props.carried, handled=True, travels=True),
    "wave": Action("front", poses.wave, "ball", 0.085, props.under_arm, handled=True),
    "jump": Action("front", poses.jump, "crate", 0.130, props.at_feet),
    "squat": Action("side", poses.squat, "crate", 0.130, props.in_both_hands, handled=True),
    "drum": Action("front", poses.drum, "drum", 0.150, props.at_belly, handled=True, sticks=True),
    "dribble": Action("side", poses.dribble, "ball", 0.085, props.bounced),
    "juggle": Action("front", poses.juggle, "ball", 0.055, props.thrown),
    "punch": Action("side", poses.punch, "bag", 0.220, props.hanging),
}
