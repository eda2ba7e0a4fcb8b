"""Families and kinds of anomalies, and the timelines that they produce."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from hfv_builder.samples import appearance_kinds, motion_kinds, spatial_kinds
from hfv_builder.samples.streams import Stream, stream
from hfv_builder.samples.timeline import Geometry, Identity, Kinematics, Timeline

Kind: TypeAlias = Callable[[np.random.Generator, int, float], Geometry | Identity | Kinematics]
"""(rng, number of frames, severity) -> the group of controls that the family changes."""

CLEAN = "clean"
"""The family of a real clip; its only kind is `none`."""

FAMILIES: dict[str, dict[str, Kind]] = {
    "spatial": {
        "order": spatial_kinds.order,
        "object_scale": spatial_kinds.object_scale,
        "limb_length": spatial_kinds.limb_length,
        "sinking": spatial_kinds.sinking,
    },
    "appearance": {
        "clothes": appearance_kinds.clothes,
        "identity": appearance_kinds.identity,
        "object": appearance_kinds.object_,
        "scene": appearance_kinds.scene,
    },
    "motion": {
        "spin": motion_kinds.spin,
        "jitter": motion_kinds.jitter,
        "shuffle": motion_kinds.shuffle,
        "stutter": motion_kinds.stutter,
        "bend": motion_kinds.bend,
    },
}
"""Family -> kind -> function that makes its controls."""


def kinds_of(family: str) -> tuple[str, ...]:
    """Return the names of a family's kinds; `("none",)` for the clean family."""
    return ("none",) if family == CLEAN else tuple(FAMILIES[family])


def make_timeline(family: str, kind: str, *, seed: int, num_frames: int, severity: float) -> Timeline:
    """Return the timeline of a clip with this anomaly. Deterministic."""
    normal = Timeline.normal(num_frames)
    if family == CLEAN:
        return normal
    group = FAMILIES[family][kind](stream(seed, Stream.ANOMALY), num_frames, severity)
    match group:
        case Geometry():
            return replace(normal, geometry=group)
        case Identity():
            return replace(normal, identity=group)
        case Kinematics():
            return replace(normal, kinematics=group)
