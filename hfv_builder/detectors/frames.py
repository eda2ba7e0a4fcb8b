"""The choice of the frames that detectors use, and their pixels."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.video import frames
from hfv_builder.records import ClipError

FRAMES = 16
RGB = npt.NDArray[np.uint8]


def even_places(total: int, count: int = FRAMES) -> npt.NDArray[np.int64]:
    """Return evenly spaced distinct places of `total`, including the first and the last; all if `total` is not
    larger.

    >>> even_places(9, 3).tolist()
    [0, 4, 8]
    """
    if total <= count:
        return np.arange(total)
    # Integers round a half up on every machine.
    return (2 * np.arange(count) * (total - 1) + count - 1) // (2 * (count - 1)) if count > 1 else np.array([0])


def even_frames(path: Path, count: int = FRAMES) -> Iterator[RGB]:
    """Yield evenly spaced frames of a clip, each (H, W, 3); those that cannot be decoded are left out.

    Raises:
        ClipError: the file is not a video, or none of the frames can be decoded.
    """
    yield from frames_at(path, {*even_places(len(read_timeline(path)), count).tolist()})


def frames_at(path: Path, places: Collection[int]) -> Iterator[RGB]:
    """Yield these frames of a clip, each (H, W, 3); those that cannot be decoded are left out.

    Raises:
        ClipError: none of them can be decoded.
    """
    yielded = 0
    for frame in frames(path, only=places):
        yielded += 1
        yield frame.rgb
    if not yielded:
        raise ClipError(f"none of the {len(places)} frames that are looked at can be decoded")
