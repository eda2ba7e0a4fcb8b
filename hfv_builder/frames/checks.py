"""Check the frames of a clip for anomalies while they are decoded for the scorer."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

DECLARED, DECODED, REPEATED = ("frames_declared", "frames_decoded", "frames_repeated")
MISSING, DAMAGED = ("frames_missing", "frames_damaged")
ODD = (DECLARED, DECODED, REPEATED, MISSING, DAMAGED)
"""Names of the anomalies and their counts."""
REPEATS = 8
"""Smallest number of consecutive repeated frames that makes a clip suspicious: it freezes or is padded."""


class Watch:
    """Iterate over chunks; count their frames, the repeated ones, and the seconds that decoding took."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = chunks
        self.frames = 0
        self.repeated = 0
        """Length of the longest run of frames that equal their predecessor."""
        self.missing = 0
        """Number of frames that could not be decoded."""
        self.damaged = 0
        """Number of frames that could only be decoded in part."""
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
        """Return the anomalies of the clip by name, see `ODD`; empty if there are none.

        Args:
            declared: the number of frames that the file declares; None if it declares none, or if only some frames were
                selected.
        """
        anomalies: dict[str, float] = {}
        if declared is not None and declared != self.frames + self.missing:
            anomalies |= {DECLARED: float(declared), DECODED: float(self.frames)}
        if self.repeated >= REPEATS:
            anomalies[REPEATED] = float(self.repeated)
        if self.missing:
            anomalies[MISSING] = float(self.missing)
        if self.damaged:
            anomalies[DAMAGED] = float(self.damaged)
        return anomalies


def _equal(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> bool:
    """Return whether two frames are equal; comparing few pixels first is enough for most that differ."""
    return np.array_equal(a[::16, ::16], b[::16, ::16]) and np.array_equal(a, b)
