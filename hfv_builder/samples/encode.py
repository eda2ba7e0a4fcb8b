"""Reproducible H.264 encoding: the bytes of a file depend only on its frames."""

from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from hfv_builder.samples.part_file import part_file

QUANTISER = 22


def write_h264(path: Path, frames: npt.NDArray[np.uint8], *, fps: int) -> None:
    """Write the frames, (num_frames, height, width, 3) uint8 RGB of even sizes, to an MP4 file.

    The file is yuv420p, BT.601, with its index at the start. It gets its name when it is complete.
    """
    options = {
        # A constant quantiser and one thread, because x264's rate control gives other bytes on every run.
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
        # The colour space of OpenCV's conversion. Without tags, players guess it from the size of the image.
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.colorspace = Colorspace.ITU601
        stream.codec_context.color_primaries = ColorPrimaries.SMPTE170M
        stream.codec_context.color_trc = ColorTrc.SMPTE170M
        for frame in frames:
            # The RGB conversion of PyAV is not reproducible either.
            planes = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
