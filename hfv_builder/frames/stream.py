"""Select the video stream of a media file, by one rule for all code."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hfv_builder.frames.limits import check_size
from hfv_builder.frames.media import MOST_PIXELS, open_media
from hfv_builder.records import ClipError


@contextlib.contextmanager
def open_stream(path: Path, *, quick: bool = False) -> Iterator[tuple[Any, Any]]:
    """Open a media file and select its stream; close it at the end.

    Args:
        path: the file.
        quick: see `open_media`.

    Yields:
        The `av.container.InputContainer` and the `av.video.stream.VideoStream`, ready to demux and decode.

    Raises:
        ClipError: the file cannot be read, has no video, or its frames are too large.
    """
    with open_media(path, quick=quick) as container:
        stream = choose_stream(moving(container))
        # The workers run in parallel; a decoder with several threads would oversubscribe the machine.
        stream.codec_context.thread_count = 1
        stream.codec_context.options = MOST_PIXELS
        check_size(stream.codec_context.width, stream.codec_context.height)
        yield container, stream


def moving(container: Any) -> list[Any]:
    """Return the video streams of a file that are not still images.

    Still images are attached pictures, such as cover art, and streams of one frame if another stream has more, such as
    the still image of an animated AVIF.

    Raises:
        ClipError: there is no such stream.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & stream.disposition.attached_pic]
    if not streams:
        raise ClipError("it has no video stream")
    return [stream for stream in streams if stream.frames != 1] or streams


def choose_stream(streams: Sequence[Any]) -> Any:
    """Return the largest stream of those that have a decoder and are marked as default.

    If no stream is marked, all are considered. The first of several streams of the same size is returned.

    Raises:
        ClipError: no stream has a decoder.
    """
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise ClipError("its video codec is unknown")
    default = [stream for stream in known if stream.disposition & stream.disposition.default]
    return max(default or known, key=lambda stream: stream.codec_context.width * stream.codec_context.height)
