"""The stream of a media file that is the clip: one rule chooses it, whoever reads the file."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hfv_builder.frames.limits import check_size
from hfv_builder.frames.media import MOST_PIXELS, open_media
from hfv_builder.records import ClipError


@contextlib.contextmanager
def open_stream(path: Path, *, quick: bool = False) -> Iterator[tuple[Any, Any]]:
    """Open a media file and choose its stream; close it at the end.

    Args:
        quick: see `open_media`.

    Yields:
        The `av.container.InputContainer` and the `av.video.stream.VideoStream`, ready to demux and decode.

    Raises:
        ClipError: it cannot be read, has no video, or its frames are too large.
    """
    with open_media(path, quick=quick) as container:
        stream = choose_stream(moving(container))
        # Workers are the parallelism; a decoder with threads of its own would oversubscribe the machine.
        stream.codec_context.thread_count = 1
        stream.codec_context.options = MOST_PIXELS
        check_size(stream.codec_context.width, stream.codec_context.height)
        yield container, stream


def moving(container: Any) -> list[Any]:
    """Return the video streams of a file that are no pictures beside the clip.

    Such pictures are attached ones, as cover art, and streams of a single frame where another has more, as the still
    image of an animated AVIF.

    Raises:
        ClipError: there is none.
    """
    streams = [each for each in container.streams.video if not each.disposition & each.disposition.attached_pic]
    if not streams:
        raise ClipError("it has no video stream")
    return [each for each in streams if each.frames != 1] or streams


def choose_stream(streams: Sequence[Any]) -> Any:
    """Return the stream that is the clip: of those that can be decoded and are marked as default the largest.

    Of several equal ones the first is taken; where none is marked, all of them count.

    Raises:
        ClipError: none can be decoded.
    """
    known = [each for each in streams if each.codec_context is not None]
    if not known:
        raise ClipError("its video is in no known format")
    default = [each for each in known if each.disposition & each.disposition.default]
    return max(default or known, key=lambda each: each.codec_context.width * each.codec_context.height)
