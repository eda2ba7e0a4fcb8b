"""Independent random streams of one clip seed: what one part draws never shifts what another part gets."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The parts of a clip that draw random numbers.

    The numbers are part of the recipe: changing one changes every clip, adding one changes none.
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
    """The generator of random numbers of one part of the clip with this seed (a non-negative integer).

    The anomaly has a stream of its own, so clips of one seed show the same person, object and place
    whatever is wrong with them.
    """
    return np.random.default_rng([int(part), seed])
