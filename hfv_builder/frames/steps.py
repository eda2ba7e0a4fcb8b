"""Select frames of a clip, and the pairs of selected frames that are compared."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from hfv_builder.records import ClipError

Ints = npt.NDArray[np.int64]
Links = npt.NDArray[np.uint8]


class Link(IntEnum):
    """Relation of a selected frame to the previous selected one."""

    NONE = 0
    """Not linked: the first frame, a frame that starts another pair, or a frame after missing ones."""
    RUN = 1
    """The frame ends a run of three; only the flow between the two is used."""
    STEP = 2
    """The two frames are a pair that is compared."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The selected frames of a clip and their links."""

    frames: Ints
    """(n,), indices in the clip, ascending."""
    link: Links
    """(n,), the `Link` of every frame."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which frames a profile selects."""

    pairs: int = 0
    """Number of adjacent pairs, spread evenly over the clip; 0 selects all."""
    rate: float = 0
    """Frames per second; 0 selects all."""
    runs: bool = False
    """Whether the frame after every pair is selected too."""

    @property
    def everything(self) -> bool:
        """Return whether all frames are selected."""
        return not (self.pairs or self.rate)


def choose(times: npt.NDArray[np.float64], sampling: Sampling) -> Selection:
    """Return the selection of frames with these presentation times.

    Args:
        times: (n,), seconds from the first frame, ascending; NaN if unknown.
        sampling: which frames to select.

    Raises:
        ClipError: `sampling` has a rate and the frames have no times.
    """
    if not sampling.rate:
        return select(np.arange(len(times)), pairs=sampling.pairs, runs=sampling.runs)
    if np.isnan(times).any():
        raise ClipError("its frames have no times, which the profile's rate requires")
    return select(thin(times, sampling.rate), pairs=sampling.pairs, runs=sampling.runs)


def select(frames: Ints, *, pairs: int = 0, runs: bool = False) -> Selection:
    """Return `pairs` adjacent pairs of these frames, spread evenly; all pairs if 0, or if there are not more.

    Exactly min(pairs, n − 1) frames of the selection have the link `STEP`; consecutive pairs share a frame.

    Args:
        frames: (n,), frame indices; consecutive ones are adjacent.
        pairs: number of pairs; 0 selects all.
        runs: also select the frame after every pair, if there is one, so that consecutive flows can be compared.
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
    """Return `wanted` distinct indices below `count`, spread evenly from first to last; a single one is in the middle.

    >>> spread(9, 3).tolist()
    [0, 4, 8]
    """
    last = count - 1
    if wanted == 1:
        return np.array([last // 2])
    return (np.arange(wanted) * last + (wanted - 1) // 2) // (wanted - 1)


def thin(times: npt.NDArray[np.float64], rate: float) -> Ints:
    """Return the distinct, ascending positions of the frames nearest to 0, 1/rate, 2/rate, … seconds.

    A clip that is not faster than `rate` keeps all frames. The earlier of two equally near frames is selected.

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
"""Relative tolerance of times: containers round them, and 23.976 frames per second count as 24."""
