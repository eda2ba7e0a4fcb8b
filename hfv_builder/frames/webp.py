"""Convert animated WebP, which FFmpeg cannot read, with Pillow into a lossless stream for FFmpeg."""

import contextlib
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hfv_builder.records import ClipError

FORMAT = "nut"
CODEC = "webp"
"""Codec name in the facts of such a clip."""
MAX_PIXELS = 4_000_000_000
"""Largest number of pixels of all frames together; the stream must fit into the temporary folder."""
MILLISECOND = Fraction(1, 1000)
IN_MEMORY = 64 << 20
"""Largest number of bytes of the stream that stay in memory."""


def is_webp(path: Path) -> bool:
    """Return whether a file is a WebP, animated or not."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


@contextlib.contextmanager
def as_stream(path: Path) -> Iterator[BinaryIO]:
    """Convert an animated WebP into a temporary stream of its frames and their times.

    Yields:
        A file in `FORMAT`, losslessly compressed, in RGB; transparency is dropped.

    Raises:
        ClipError: the file is a still image, damaged, or too large.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY, prefix="hfv-") as stream:
        _write(_frames(path), stream)
        stream.seek(0)
        yield stream  # type: ignore[misc]


def _frames(path: Path) -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
    """Yield the frames of the clip, (H, W, 3), and their durations in milliseconds."""
    from PIL import Image

    try:
        with Image.open(path, formats=["WEBP"]) as image:
            if not getattr(image, "is_animated", False):
                raise ClipError("it is a still image")
            count, (width, height) = int(getattr(image, "n_frames", 1)), image.size
            if count * width * height > MAX_PIXELS:
                raise ClipError(f"its {count} frames of {width}x{height} are too many for a WebP")
            for number in range(count):
                image.seek(number)
                # Players show a frame without a duration for a tenth of a second.
                yield np.asarray(image.convert("RGB")), int(image.info.get("duration") or 100)
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if getattr(error, "errno", None) is not None:  # a disk error; errors in the data have no errno
            raise
        raise ClipError(f"Pillow cannot read it: {str(error).splitlines()[0].lower()}") from None


def _write(frames: Iterator[tuple[npt.NDArray[np.uint8], int]], stream: Any) -> None:
    import av

    with av.open(stream, "w", format=FORMAT) as container:
        out: Any = container.add_stream("utvideo", rate=1000)
        out.pix_fmt = "gbrp"
        time_ms = 0
        for rgb, duration in frames:
            if not time_ms:
                out.height, out.width = rgb.shape[:2]
            frame: Any = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base, frame.duration = time_ms, MILLISECOND, duration
            time_ms += duration
            container.mux(out.encode(frame))
        container.mux(out.encode())
