"""The timeline of a clip: for every frame the values of all controls that an anomaly can change.

There is one group of controls per family. A kind of anomaly returns only the group of its family, so it cannot change
the controls of another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Track: TypeAlias = npt.NDArray[np.float64]
"""One value per frame, (num_frames,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """The controls of spatial anomalies: depth order and size."""

    swapped: npt.NDArray[np.bool_]
    """Whether parts in front of the body are drawn behind it and vice versa, (num_frames,)."""
    object_scale: Track
    """Size of the object; 1 is natural."""
    limb_scale: Mapping[str, Track] = field(default_factory=dict)
    """Length of limbs (keys are names of `skeleton.LIMBS`); 1, or no entry, is natural."""
    head_scale: Track
    """Size of the head; 1 is natural."""
    sunk: Track
    """Position of the object between its normal position (0) and the middle of the body (1)."""

    @classmethod
    def normal(cls, num_frames: int) -> "Geometry":
        """Return the controls of a clip without a spatial anomaly."""
        return cls(
            swapped=np.zeros(num_frames, np.bool_),
            object_scale=np.ones(num_frames),
            head_scale=np.ones(num_frames),
            sunk=np.zeros(num_frames),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """The controls of appearance anomalies: the weight of the other look of each part, 0 to 1."""

    clothes: Track
    body: Track
    object: Track
    scene: Track

    @classmethod
    def normal(cls, num_frames: int) -> "Identity":
        """Return the controls of a clip without an appearance anomaly."""
        return cls(**{name: np.zeros(num_frames) for name in ("clothes", "body", "object", "scene")})


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinematics:
    """The controls of motion anomalies: time, joint angles and position of the figure."""

    clock: Track
    """The time in the action that a frame shows, in frames; normally frame `t` shows time `t`."""
    joints: Mapping[str, Track] = field(default_factory=dict)
    """Angles (radians) that are added to the pose; keys are names of `pose.ANGLES`."""
    offset: Track
    """Displacement of the whole figure, in body heights, (num_frames, 2)."""
    turn: Track
    """Rotation of the figure about its hips in the image plane, in radians."""

    @classmethod
    def normal(cls, num_frames: int) -> "Kinematics":
        """Return the controls of a clip without a motion anomaly."""
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
        """Return the timeline of a clean clip."""
        return cls(
            geometry=Geometry.normal(num_frames),
            identity=Identity.normal(num_frames),
            kinematics=Kinematics.normal(num_frames),
        )


def smooth_step(progress: Track) -> Track:
    """Return 3p² − 2p³ of the progress p clipped to [0, 1]."""
    clipped = np.clip(progress, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def random_pieces(rng: np.random.Generator, num_frames: int, num_cuts: int) -> npt.NDArray[np.int64]:
    """Cut the clip at random frames and return the index of the piece for every frame, (num_frames,).

    A short clip gets fewer cuts than `num_cuts`. The first piece has at least two frames.
    """
    places = np.arange(2, num_frames - 1)
    cuts = np.sort(rng.choice(places, size=min(num_cuts, len(places)), replace=False))
    return np.searchsorted(cuts, np.arange(num_frames), side="right").astype(np.int64)
