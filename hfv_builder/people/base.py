"""The interface of a person detector, and what it says of a clip."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Images = npt.NDArray[np.uint8]

FRAMES = 8
"""Frames of a clip that are looked at, evenly spread over it."""


class PersonDetector(Protocol):
    """A loaded model. Not thread-safe."""

    def scores(self, images: Images) -> Floats:
        """Return how sure the model is that each image shows a person.

        Args:
            images: (n, H, W, 3) uint8 RGB with square pixels.

        Returns:
            (n,) float64 in [0, 1]; it does not depend on the other images.
        """


@dataclass(frozen=True, kw_only=True)
class People:
    """What a detector says of a clip; a column of `signals` each."""

    person: float | None
    """Median score of the frames, in [0, 1]; None if none of the frames could be decoded."""
    person_share: float | None
    """Share of the frames whose score reaches the detector's threshold, in [0, 1]; None likewise."""
    person_detector: str
    """Name, weights and recipe of the detector."""


def chosen_frames(count: int) -> tuple[int, ...]:
    """Return the indices of the frames to look at in a clip of `count` frames: the middles of equal parts, sorted."""
    return tuple(sorted({int((part + 0.5) * count / FRAMES) for part in range(FRAMES)})) if count > 0 else ()


def summed_up(scores: Floats, threshold: float, revision: str) -> People:
    """Return what the scores of a clip's frames, (n,), say of the clip. Scores are rounded to four decimals."""
    if not len(scores):
        return People(person=None, person_share=None, person_detector=revision)
    rounded = np.round(scores, 4)
    return People(
        person=round(float(np.median(rounded)), 4),
        person_share=float((rounded >= threshold).mean()),
        person_detector=revision,
    )
