"""Reproducible H.264 files of rendered frames."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.frames.encode import h264_writer


def write_h264(
    path: Path, frames: npt.NDArray[np.uint8], *, fps: int, quantiser: int, preset: str = "superfast"
) -> None:
    """Write the frames, (num_frames, height, width, 3) uint8 RGB of even sizes, to an MP4 file.

    The file appears under its name when it is whole, and its bytes depend on nothing but the arguments.
    """
    height, width = frames.shape[1:3]
    with h264_writer(path, width=width, height=height, fps=fps, quantiser=quantiser, preset=preset) as writer:
        for frame in frames:
            writer.add(frame)
