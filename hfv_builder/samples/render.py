"""Render sample clips: a person with an object in a scene, with or without an anomaly."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.samples.anomalies import make_timeline
from hfv_builder.samples.camera import Grain
from hfv_builder.samples.cast import Cast, gather_cast
from hfv_builder.samples.encode import write_h264
from hfv_builder.samples.props import Prop
from hfv_builder.samples.puppet import drawing_order, place_figure, place_shadow
from hfv_builder.samples.skeleton import Joints, pose_joints
from hfv_builder.samples.spec import SampleSpec
from hfv_builder.samples.sprite import Placed, draw, place
from hfv_builder.samples.stage import Stage, set_stage
from hfv_builder.samples.streams import Stream, stream
from hfv_builder.samples.timeline import Timeline

QUANTISER = 22


def render_sample(spec: SampleSpec, folder: Path) -> Path:
    """Render the clip, write it to `folder / spec.generator / spec.file`, and return that path.

    The file is written atomically; equal specs give equal bytes.
    """
    path = folder / spec.generator / spec.file
    write_h264(path, render_frames(spec), fps=spec.fps, quantiser=QUANTISER)
    return path


def render_frames(spec: SampleSpec) -> npt.NDArray[np.uint8]:
    """Return the frames of the clip, (num_frames, height, width, 3) uint8 RGB."""
    timeline = make_timeline(spec.family, spec.kind, seed=spec.seed, num_frames=spec.num_frames, severity=spec.severity)
    stage = set_stage(spec)
    cast = gather_cast(spec, stage, timeline.identity)
    grain = Grain(stream(spec.seed, Stream.GRAIN), spec.width, spec.height)
    frames = np.empty((spec.num_frames, spec.height, spec.width, 3), np.uint8)
    for index in range(spec.num_frames):
        image = cast.background(stage, timeline.identity, index)
        draw(image, place_all(stage, cast, timeline, index))
        frames[index] = stage.camera.expose(image, grain.next(), index)
    return frames


def place_all(stage: Stage, cast: Cast, timeline: Timeline, index: int) -> list[Placed]:
    """Return all sprites in front of the scene in a frame, in drawing order."""
    geometry, kinematics = timeline.geometry, timeline.kinematics
    action = stage.action
    phase = stage.phase_at(kinematics.clock[index])
    stance = stage.stance(kinematics, index)
    pose = action.pose(phase).bent_by({name: track[index] for name, track in kinematics.joints.items()})
    turn = float(kinematics.turn[index])
    # Objects are placed for arms of natural length: a stretched arm reaches past them.
    natural = pose_joints(pose, stance, turn=turn)
    head_scale = float(geometry.head_scale[index])
    joints = pose_joints(
        pose,
        stance,
        limb_scale={name: track[index] for name, track in geometry.limb_scale.items()},
        head_scale=head_scale,
        turn=turn,
    )
    parts = cast.figure(timeline.identity, index)
    groups = place_figure(parts, joints, stance, head_scale=head_scale, sticks=action.sticks)
    groups["object"] = [
        placed
        for prop in action.props(natural, stance, phase, stage.object_size)
        for placed in _place_object(stage, cast, timeline, index, prop, joints)
    ]
    order = drawing_order(action.view, handled=action.handled, swapped=bool(geometry.swapped[index]))
    return [place_shadow(parts, joints, stance), *(placed for name in order for placed in groups[name])]


def _place_object(stage: Stage, cast: Cast, timeline: Timeline, index: int, prop: Prop, joints: Joints) -> list[Placed]:
    scale = float(timeline.geometry.object_scale[index])
    size = stage.object_size * scale
    half_height = cast.object_half_height * size
    centre = prop.at - np.array([0, prop.hold * half_height])
    sunk = timeline.geometry.sunk[index]
    chest = 0.35 * joints["hip"] + 0.65 * joints["neck"]
    centre = (1 - sunk) * centre + sunk * chest
    thing = place(cast.object(timeline.identity, index), centre, centre + np.array([0, size]), thickness=scale)
    if not prop.rope:
        return [thing]
    knot = centre - np.array([0, half_height])
    return [place(cast.rope, np.array([knot[0], -10.0]), knot), thing]
