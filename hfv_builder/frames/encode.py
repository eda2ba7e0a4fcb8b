"""H.264 files whose bytes depend on nothing but the frames and their times."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.storage.part_file import part_file

TICKS = 90_000
"""Ticks a second of files whose frames have times of their own."""
RGB = npt.NDArray[np.uint8]


class H264Writer:
    """An MP4 file that frames are added to, of one size or cut and padded to it."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container, self._stream, self._count = container, stream, 0

    def add(self, rgb: RGB, time_s: float | None = None) -> None:
        """Encode one more frame.

        Args:
            rgb: (H, W, 3); an odd side is made even by repeating its last row or column.
            time_s: when it is shown, seconds from the first frame; only of a `timed` writer.
        """
        import av

        # PyAV's own conversion from RGB is not reproducible.
        planes = np.asarray(cv2.cvtColor(even(rgb), cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        if time_s is not None:
            frame.pts, frame.time_base = round(time_s * TICKS), Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def flush(self) -> None:
        """Encode what the encoder still holds."""
        self._container.mux(self._stream.encode())


@contextlib.contextmanager
def h264_writer(
    path: Path,
    *,
    width: int,
    height: int,
    fps: int | Fraction,
    quantiser: int,
    preset: str = "superfast",
    timed: bool = False,
    shape: float = 1.0,
) -> Iterator[H264Writer]:
    """Open an MP4 file for frames; it appears under its name when the block ends well.

    yuv420p, BT.601, the index before the images, no audio, no metadata.

    Args:
        width: pixels, of the frames; an odd side becomes even.
        height: likewise.
        fps: frames per second; of a timed writer on average.
        quantiser: x264's constant quantiser, 0 (lossless) to 51.
        preset: x264's preset.
        timed: frames come with times of their own.
        shape: width of a pixel over its height, as it is shown.
    """
    import av

    options = {
        # A constant quantiser and one thread: x264's rate control gave other bytes on every run.
        "qp": str(quantiser),
        "preset": preset,
        "x264-params": "threads=1:lookahead_threads=1",
    }
    with (
        part_file(path) as part,
        av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream: Any = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        if shape != 1:
            stream.codec_context.sample_aspect_ratio = Fraction(shape).limit_denominator(255)
        if timed:
            stream.codec_context.time_base = Fraction(1, TICKS)
        tag_colours(stream)
        writer = H264Writer(container, stream)
        yield writer
        writer.flush()


def tag_colours(stream: Any) -> None:
    """Say in a stream that its colours are of BT.601, as conversions of OpenCV and FFmpeg make them.

    Players guess the colours of a stream without tags by the size of the image.
    """
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    stream.codec_context.color_range = ColorRange.MPEG
    stream.codec_context.colorspace = Colorspace.ITU601
    stream.codec_context.color_primaries = ColorPrimaries.SMPTE170M
    stream.codec_context.color_trc = ColorTrc.SMPTE170M


def even(rgb: RGB) -> RGB:
    """Return the frame with even sides: an odd one gets its last row or column twice."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        return np.asarray(cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)
    return rgb
