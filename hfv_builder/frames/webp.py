"""Animated WebP, which FFmpeg cannot read: Pillow decodes it, into a lossless stream that FFmpeg reads instead."""

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
"""The name of what such a clip is coded in."""
MAX_PIXELS = 4_000_000_000
"""Pixels of all frames together; what they need must fit on the disk of temporary files."""
MILLISECOND = Fraction(1, 1000)
IN_MEMORY = 64 << 20
"""Bytes of the stream beyond which it is a file."""


def is_webp(path: Path) -> bool:
    """Return whether a file is a WebP, animated or not."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


@contextlib.contextmanager
def as_stream(path: Path) -> Iterator[BinaryIO]:
    """Decode an animated WebP into a stream of its frames, each with its time, that lasts as long as the block.

    Yields:
        A file in `FORMAT`, losslessly compressed, in RGB; transparency is dropped.

    Raises:
        ClipError: it is a still image, damaged, or too large.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY, prefix="hfv-") as stream:
        _write(_frames(path), stream)
        stream.seek(0)
        yield stream  # type: ignore[misc]


def _frames(path: Path) -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
    """The frames of the clip, (H, W, 3), and for how many milliseconds each is shown."""
    from PIL import Image

    try:
        with Image.open(path, formats=["WEBP"]) as image:
            if not getattr(image, "is_animated", False):
                raise ClipError("it is a still image")
            count, (width, height) = int(getattr(image, "n_frames", 1)), image.size
            if count * width * height > MAX_PIXELS:
                raise ClipError(f"its {count} frames of {width}x{height} are too many to read as a WebP")
            for number in range(count):
                image.seek(number)
                # Players show a frame of no time for a tenth of a second.
                yield np.asarray(image.convert("RGB")), int(image.info.get("duration") or 100)
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if getattr(error, "errno", None) is not None:  # a disk that fails; what is wrong with the bytes has no errno
            raise
        raise ClipError(f"Pillow cannot read it: {str(error).splitlines()[0].lower()}") from None


def _write(frames: Iterator[tuple[npt.NDArray[np.uint8], int]], stream: Any) -> None:
    import av

    with av.open(stream, "w", format=FORMAT) as container:
        out: Any = container.add_stream("utvideo", rate=1000)
        out.pix_fmt = "gbrp"
        at = 0
        for rgb, duration in frames:
            if not at:
                out.height, out.width = rgb.shape[:2]
            frame: Any = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base, frame.duration = at, MILLISECOND, duration
            at += duration
            container.mux(out.encode(frame))
        container.mux(out.encode())
