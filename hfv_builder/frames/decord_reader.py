"""Read frames with decord, for scores comparable with training code that uses decord."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.frames.steps import Sampling, Selection, choose
from hfv_builder.records import ClipError


def read(path: Path, sampling: Sampling, times: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint8], Selection]:
    """Return the selected frames of the clip, (n, H, W, 3) uint8 RGB, and the selection.

    Args:
        path: the file.
        sampling: which frames to select.
        times: (n,), presentation times of all frames, in seconds from the first.

    Raises:
        ClipError: decord cannot decode the whole clip, or `sampling` has a rate and the frames have no times.
        ImportError: decord is not installed.
    """
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=1)
        if len(times) != len(reader):  # decord repeats frames that other decoders drop
            decord_times = np.sort(reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64))
            times = decord_times - decord_times[:1]
        chosen = choose(times, sampling)
        # Delete the reader after one read: it would keep decoding in the background without bound.
        rgb = reader.get_batch(chosen.frames).asnumpy()
        del reader
    except (decord.DECORDError, RuntimeError) as error:
        # The first line of the C++ stack trace without its source locations.
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
