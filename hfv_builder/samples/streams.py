"""Independent random streams per clip: the draws of one part do not affect those of another part."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The parts of a clip that draw random numbers.

    The values are seeds: changing a value changes every clip, adding a member changes none.
    """

    STAGE = 1
    LOOK = 2
    OTHER_LOOK = 3
    SCENE = 4
    OTHER_SCENE = 5
    OBJECT = 6
    OTHER_OBJECT = 7
    CAMERA = 8
    GRAIN = 9
    ANOMALY = 10


def stream(seed: int, part: Stream) -> np.random.Generator:
    """Return the random generator of one part of the clip with this seed, a non-negative integer.

    The anomaly has its own stream, so that clips of the same seed show the same person, object and scene for every
    anomaly.
    """
    return np.random.default_rng([int(part), seed])
