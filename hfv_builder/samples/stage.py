"""The stage of a clip: position, timing and camera of the action."""

import math
from dataclasses import dataclass

import numpy as np

from hfv_builder.samples.actions import ACTIONS, Action
from hfv_builder.samples.camera import Camera
from hfv_builder.samples.skeleton import Stance
from hfv_builder.samples.spec import SampleSpec
from hfv_builder.samples.sprite import Point
from hfv_builder.samples.streams import Stream, stream
from hfv_builder.samples.timeline import Kinematics

STRIDES = 0.8
"""Body heights covered by one cycle of a walk (two strides), chosen so that the feet hardly slide."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """Position and timing of the action of one clip; lengths are in frame pixels.

    `ground` is the position of the figure without camera motion, (2,). `travel` is the distance it moves along x over
    the clip, `cycles` the number of repetitions of the action, `phase` (radians) the phase at the start.
    """

    action: Action
    camera: Camera
    ground: Point
    body_height: float
    object_size: float
    facing: int
    travel: float
    cycles: float
    phase: float
    num_frames: int

    def phase_at(self, clock: float) -> float:
        """Return the phase of the action, in radians, at a time given in frames."""
        return self.phase + 2 * math.pi * self.cycles * clock / self.num_frames

    def stance(self, kinematics: Kinematics, index: int) -> Stance:
        """Return the stance of the figure in a frame, relative to the camera."""
        distance = self.travel * (kinematics.clock[index] / self.num_frames - 0.5)
        ground = self.ground + np.array([distance, 0]) + kinematics.offset[index] * self.body_height
        return Stance(ground - self.camera.track[index], self.body_height, self.action.view, self.facing)


def set_stage(spec: SampleSpec) -> Stage:
    """Return the stage of a clip. It depends on the seed, action and format of the clip, not on its anomaly."""
    rng = stream(spec.seed, Stream.STAGE)
    action = ACTIONS[spec.action]
    body_height = rng.uniform(0.52, 0.70) * spec.height
    facing = int(rng.choice([-1, 1]))
    object_size = action.size * body_height * rng.uniform(0.9, 1.15)
    ground = np.array([0.5 * spec.width, rng.uniform(0.88, 0.93) * spec.height])
    cycles = rng.uniform(0.7, 1.1) * spec.num_frames / spec.fps
    travel, follow = 0.0, 0.0
    if action.travels:
        travel = facing * rng.uniform(0.45, 0.60) * spec.width
        follow = 0.65 * travel
        cycles = abs(travel) / (STRIDES * body_height)
    return Stage(
        action=action,
        camera=Camera.film(stream(spec.seed, Stream.CAMERA), spec.width, spec.height, spec.num_frames, follow=follow),
        ground=ground,
        body_height=body_height,
        object_size=object_size,
        facing=facing if action.view == "side" else 1,
        travel=travel,
        cycles=cycles,
        phase=rng.uniform(0, 2 * math.pi),
        num_frames=spec.num_frames,
    )
