"""Steps: which frames of a clip are taken, and which of them are compared with the frame taken before."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from hfv_builder.records import ClipError

Ints = npt.NDArray[np.int64]
Links = npt.NDArray[np.uint8]


class Link(IntEnum):
    """How a frame is linked to the one taken before it."""

    NONE = 0
    """Not at all: the first frame, one that starts another pair, or one after frames that cannot be decoded."""
    RUN = 1
    """Only the flow between the two is of use: the frame ends a run of three."""
    STEP = 2
    """The two are a pair that is compared."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The frames that are taken of a clip, and how they are linked."""

    frames: Ints
    """(n,), their numbers in the clip, ascending."""
    link: Links
    """(n,), a `Link` for each of them."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which frames a profile looks at."""

    pairs: int = 0
    """Adjacent pairs, spread evenly over the clip; 0 takes all."""
    rate: float = 0
    """Frames per second; 0 takes all."""
    runs: bool = False
    """Whether the frame after each pair is taken as well."""

    @property
    def everything(self) -> bool:
        """Whether all frames are taken."""
        return not (self.pairs or self.rate)


def choose(times: npt.NDArray[np.float64], sampling: Sampling) -> Selection:
    """Return what is taken of frames that are shown at these times.

    Args:
        times: (n,), seconds from the first frame, ascending; NaN where they are not known.

    Raises:
        ClipError: a rate is asked for and they have no times.
    """
    if not sampling.rate:
        return select(np.arange(len(times)), pairs=sampling.pairs, runs=sampling.runs)
    if np.isnan(times).any():
        raise ClipError("its frames have no times, which the profile's rate needs")
    return select(thin(times, sampling.rate), pairs=sampling.pairs, runs=sampling.runs)


def select(frames: Ints, *, pairs: int = 0, runs: bool = False) -> Selection:
    """Return `pairs` adjacent pairs of these frames, spread evenly; all of them for 0, or where there are no more.

    Exactly min(pairs, n − 1) frames of the selection are a `STEP`; pairs that touch share a frame.

    Args:
        frames: (n,), numbers of frames, each the neighbour of the next.
        runs: take the frame after each pair as well, where there is one, so that flow can be compared with the next.
    """
    count = len(frames)
    link = np.full(count, Link.STEP, np.uint8)
    link[:1] = Link.NONE
    if pairs == 0 or pairs >= count - 1:
        return Selection(frames=frames, link=link)
    firsts = spread(count - 2 if runs else count - 1, pairs)
    link[:] = Link.NONE
    if runs:
        link[firsts + 2] = Link.RUN
    link[firsts + 1] = Link.STEP
    taken = np.unique(np.concatenate([firsts + offset for offset in range(3 if runs else 2)]))
    return Selection(frames=frames[taken], link=link[taken])


def spread(count: int, wanted: int) -> Ints:
    """Return `wanted` different places of `count`, from the first to the last, spread evenly; one lies in the middle.

    >>> spread(9, 3).tolist()
    [0, 4, 8]
    """
    last = count - 1
    if wanted == 1:
        return np.array([last // 2])
    return (np.arange(wanted) * last + (wanted - 1) // 2) // (wanted - 1)


def thin(times: npt.NDArray[np.float64], rate: float) -> Ints:
    """Return the places of the frames nearest to 0, 1/rate, 2/rate, … seconds, each once and ascending.

    A clip that is not faster than `rate` keeps all its frames. Of two frames equally near the earlier one is taken.

    Args:
        times: (n,), presentation times in seconds from the first frame, ascending.
        rate: frames per second, above 0.
    """
    count = len(times)
    if count < 2 or (count - 1) <= rate * times[-1] * (1 + SLACK):
        return np.arange(count)
    ticks = np.arange(int(times[-1] * rate * (1 + SLACK)) + 1) / rate
    after = np.searchsorted(times, ticks).clip(1, count - 1)
    early = ticks - times[after - 1] <= times[after] - ticks + SLACK / rate
    return np.unique(np.where(early, after - 1, after))


SLACK = 1e-3
"""Share by which times may be off: containers round them, and 23.976 frames per second are 24."""
