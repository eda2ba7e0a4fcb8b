"""What is noticed of a clip while its frames pass by on their way to the scorer."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

DECLARED, DECODED, REPEATED = ("frames_declared", "frames_decoded", "frames_repeated")
MISSING, DAMAGED = ("frames_missing", "frames_damaged")
ODD = (DECLARED, DECODED, REPEATED, MISSING, DAMAGED)
"""Names of what may be odd about a clip."""
REPEATS = 8
"""Frames in a row that equal the one before them, from which on a clip is suspicious: a freeze, or padding."""


class Watch:
    """Hands on chunks of frames; counts them, how long they repeat, and the time that decoding took."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = chunks
        self.frames = 0
        self.repeated = 0
        """The longest run of frames each equal to the one before."""
        self.missing = 0
        """Frames that could not be decoded."""
        self.damaged = 0
        """Frames that could be decoded in part only."""
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Any]:
        chunks = iter(self._chunks)
        last: npt.NDArray[np.uint8] | None = None
        run = 0
        while True:
            started = time.perf_counter()
            chunk = next(chunks, None)
            self.seconds += time.perf_counter() - started
            if chunk is None:
                return
            for frame in chunk.rgb:
                run = run + 1 if last is not None and _equal(last, frame) else 0
                self.repeated = max(self.repeated, run)
                last = frame
            self.frames += len(chunk.rgb)
            self.missing, self.damaged = chunk.missing, chunk.damaged
            yield chunk

    def suspicions(self, declared: int | None) -> dict[str, float]:
        """What is odd about the clip, some of `ODD`; empty if nothing is.

        Args:
            declared: how many frames the file says it has; None if it says nothing, or not all were wanted.
        """
        found: dict[str, float] = {}
        if declared is not None and declared != self.frames + self.missing:
            found |= {DECLARED: float(declared), DECODED: float(self.frames)}
        if self.repeated >= REPEATS:
            found[REPEATED] = float(self.repeated)
        if self.missing:
            found[MISSING] = float(self.missing)
        if self.damaged:
            found[DAMAGED] = float(self.damaged)
        return found


def _equal(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> bool:
    """Whether two frames are the same; a few pixels tell apart nearly all that are not."""
    return np.array_equal(a[::16, ::16], b[::16, ::16]) and np.array_equal(a, b)
