"""H.264 files whose bytes depend on nothing but the frames."""

from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from hfv_builder.samples.part_file import part_file

QUANTISER = 22


def write_h264(path: Path, frames: npt.NDArray[np.uint8], *, fps: int) -> None:
    """Write the frames (uint8 RGB, shape (num_frames, height, width, 3), even sizes) to an MP4 file.

    yuv420p, BT.601, the index before the pictures. The file appears under its name when it is whole.
    """
    options = {
        # A constant quantiser and one thread: x264's rate control gave other bytes on every run.
        "qp": str(QUANTISER),
        "preset": "superfast",
        "x264-params": "threads=1:lookahead_threads=1",
    }
    with (
        part_file(path) as part,
        av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # What OpenCV's conversion makes; untagged, players guess by the size of the picture.
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.colorspace = Colorspace.ITU601
        stream.codec_context.color_primaries = ColorPrimaries.SMPTE170M
        stream.codec_context.color_trc = ColorTrc.SMPTE170M
        for frame in frames:
            # PyAV's own conversion from RGB was not reproducible either.
            planes = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
