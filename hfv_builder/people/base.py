"""The interface of a person detector, and its result for a clip."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Images = npt.NDArray[np.uint8]

FRAMES = 8
"""Number of evenly spaced frames of a clip that are scored."""


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
    """The result of a detector for a clip; each field is a column of `signals`."""

    person: float | None
    """Median score of the frames, in [0, 1]; None if none of the frames could be decoded."""
    person_share: float | None
    """Share of the frames whose score reaches the detector's threshold, in [0, 1]; None likewise."""
    person_detector: str
    """Name, weights and recipe of the detector."""


def chosen_frames(count: int) -> tuple[int, ...]:
    """Return the indices of the frames to score in a clip of `count` frames: the middles of equal parts, sorted."""
    return tuple(sorted({int((part + 0.5) * count / FRAMES) for part in range(FRAMES)})) if count > 0 else ()


def summed_up(scores: Floats, threshold: float, revision: str) -> People:
    """Return the result for a clip from the scores of its frames, (n,). Scores are rounded to four decimals."""
    if not len(scores):
        return People(person=None, person_share=None, person_detector=revision)
    rounded = np.round(scores, 4)
    return People(
        person=round(float(np.median(rounded)), 4),
        person_share=float((rounded >= threshold).mean()),
        person_detector=revision,
    )
