"""Frames through decord, for scores comparable with training code that reads through it."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.frames.steps import Sampling, Selection, choose
from hfv_builder.records import ClipError


def read(path: Path, sampling: Sampling, times: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint8], Selection]:
    """Return the frames that are taken of the clip, (n, H, W, 3) RGB, and which they are.

    Args:
        times: (n,), seconds from the first frame at which the frames of the clip are shown.

    Raises:
        ClipError: decord cannot decode all of it, or a rate is asked for and the frames have no times.
        ImportError: decord is not installed.
    """
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=1)
        if len(times) != len(reader):  # decord repeats frames where others leave some out
            own = np.sort(reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64))
            times = own - own[:1]
        chosen = choose(times, sampling)
        # One read, then away with it: a reader that lives on keeps decoding in the background, without bound.
        rgb = reader.get_batch(chosen.frames).asnumpy()
        del reader
    except (decord.DECORDError, RuntimeError) as error:
        # Of a C++ stack, what stands behind the last source location in the first line.
        reason = re.sub(r"\[[^]]*\] \S+:\d+: ", "", str(error).strip().splitlines()[0])
        raise ClipError(f"decord cannot decode it: {reason}") from None
    return rgb, chosen


def reads(path: Path) -> bool:
    """Return whether decord reads the first and the last frame of the clip; True where decord is not installed."""
    try:
        import decord
    except ImportError:
        return True
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=1)
        return bool(len(reader.get_batch([0, len(reader) - 1]).shape) == 4)
    except (decord.DECORDError, RuntimeError):
        return False
