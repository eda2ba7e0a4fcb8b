"""The timeline of a clip: for every frame, how far each thing that an anomaly can touch is from normal.

The controls come in three groups, one a family. A kind of anomaly returns one group, so it cannot reach
into another family's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Track: TypeAlias = npt.NDArray[np.float64]
"""One value a frame, shape (num_frames,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """What a spatial anomaly touches: depth and size."""

    swapped: npt.NDArray[np.bool_]
    """Where what belongs in front is drawn behind, shape (num_frames,)."""
    object_scale: Track
    """Size of the object; 1 is natural."""
    limb_scale: Mapping[str, Track] = field(default_factory=dict)
    """Length of a limb (by name of `skeleton.LIMBS`); 1, or no entry, is natural."""
    head_scale: Track
    """Size of the head; 1 is natural."""
    sunk: Track
    """How far the object has slid into the body, 0 to 1."""

    @classmethod
    def normal(cls, num_frames: int) -> "Geometry":
        """Nothing out of place."""
        return cls(
            swapped=np.zeros(num_frames, np.bool_),
            object_scale=np.ones(num_frames),
            head_scale=np.ones(num_frames),
            sunk=np.zeros(num_frames),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """What an appearance anomaly touches: how much of another look shows, 0 to 1, by part."""

    clothes: Track
    body: Track
    object: Track
    scene: Track

    @classmethod
    def normal(cls, num_frames: int) -> "Identity":
        """Everybody and everything stays itself."""
        return cls(**{name: np.zeros(num_frames) for name in ("clothes", "body", "object", "scene")})


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinematics:
    """What a motion anomaly touches: time, joint angles, and where the figure is."""

    clock: Track
    """The instant of the action that a frame shows, in frames; frame `t` shows `t` when all is well."""
    joints: Mapping[str, Track] = field(default_factory=dict)
    """Angles (radians) that are added to the pose, by name of `pose.ANGLES`."""
    offset: Track
    """Displacement of the whole figure, in body heights, shape (num_frames, 2)."""
    turn: Track
    """Rotation of the figure about its hips in the plane of the picture, in radians."""

    @classmethod
    def normal(cls, num_frames: int) -> "Kinematics":
        """Time flows and the body obeys."""
        return cls(
            clock=np.arange(num_frames, dtype=np.float64),
            offset=np.zeros((num_frames, 2)),
            turn=np.zeros(num_frames),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """All controls of a clip."""

    geometry: Geometry
    identity: Identity
    kinematics: Kinematics

    @classmethod
    def normal(cls, num_frames: int) -> "Timeline":
        """The timeline of a clean clip."""
        return cls(
            geometry=Geometry.normal(num_frames),
            identity=Identity.normal(num_frames),
            kinematics=Kinematics.normal(num_frames),
        )


def smooth_step(progress: Track) -> Track:
    """0 before 0, 1 after 1, and a soft rise between."""
    clipped = np.clip(progress, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def random_pieces(rng: np.random.Generator, num_frames: int, num_cuts: int) -> npt.NDArray[np.int64]:
    """The clip cut at random frames: the number of its piece for every frame, from 0 up.

    There are fewer cuts than asked for where the clip is too short; the first piece has at least two frames.
    """
    places = np.arange(2, num_frames - 1)
    cuts = np.sort(rng.choice(places, size=min(num_cuts, len(places)), replace=False))
    return np.searchsorted(cuts, np.arange(num_frames), side="right").astype(np.int64)
