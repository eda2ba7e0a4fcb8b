"""Open media files with FFmpeg, only as self-contained clips. No other code opens media.

A playlist, a script or a file name pattern makes FFmpeg open other files and URLs. FFmpeg may therefore only detect the
containers listed here, which do not do this, and only use the file protocol.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfv_builder.frames import webp
from hfv_builder.frames.limits import FRAME_PIXELS
from hfv_builder.records import ClipError
from hfv_builder.storage.path_text import FILE, path_text

CONTAINERS = (
    # Files of clips.
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "live_flv", "kux", "asf", "ogg", "gif", "apng", "jpegxl_anim"),
    *("mxf", "gxf", "nut", "dv", "dhav", "rm", "wtv", "nuv", "ivf", "amv", "swf", "pva", "smjpeg", "mpjpeg"),
    *("bink", "smk", "roq", "flic", "film_cpk", "filmstrip", "yuv4mpegpipe"),
    # One stream of video without a container.
    *("h261", "h263", "h264", "hevc", "vvc", "av1", "obu", "evc", "apv", "m4v", "mpegvideo", "mjpeg", "vc1", "vc1test"),
    *("dirac", "dnxhd", "cavsvideo", "avs2", "avs3"),
    # Audio only, so that the error reports a missing video stream.
    *("mp3", "wav", "flac", "aac", "ac3", "eac3", "aiff", "caf", "w64"),
)
"""FFmpeg's names of demuxers that do not open other files and do not read text or still images."""
MOST_PIXELS = {"max_pixels": str(FRAME_PIXELS)}
"""Option that makes FFmpeg reject larger frames before it allocates memory for them."""
OPTIONS = {
    "format_whitelist": ",".join(CONTAINERS),
    "protocol_whitelist": "file",
    **MOST_PIXELS,  # it decodes some frames while it opens a file
    # Not 5 MB: after less than eight frames FFmpeg guesses too small a reordering delay of some H.264, and drops one.
    "probesize": str(64 << 20),
}
QUICK = {"skip_frame": "all", "probesize": "5000000"}
"""Options that open a file ten times as fast: FFmpeg does not decode frames to detect stream parameters."""
OTHER = "it is a text, a playlist or a still image, or its container is not accepted"
POINTER = b"version https://git-lfs"
PROBED = 1 << 20
"""Bytes at the start by which FFmpeg detects the format of a file."""
SCRIPTS = (b"#extm3u", b"ffconcat", b"<mpd", b"c=in ip", b"# vobsub")
"""Lower-case text by which FFmpeg detects a playlist, a session description or an index."""


@contextlib.contextmanager
def open_media(path: Path, *, quick: bool = False) -> Iterator[Any]:
    """Open a media file for reading with PyAV and close it at the end. All code that reads media uses this function.

    Args:
        path: the file.
        quick: do not decode while opening. Only for reading packets and the first frame: a decoder that has not
            detected the reordering delay may drop later frames.

    Yields:
        The `av.container.InputContainer`.

    Raises:
        ClipError: the file is missing, empty, not a media file, or its container is not in `CONTAINERS`.
    """
    import av

    av.logging.set_level(None)  # damaged media would flood the terminal; the clip's row has the reason
    if not path.is_file():
        raise ClipError("the file does not exist")
    if path.stat().st_size == 0:
        raise ClipError("the file is empty (0 bytes)")
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise ClipError("it is a Git LFS pointer, not the clip; run `git lfs pull` in its repository")
    # FFmpeg takes the name of a GIF with one of these characters for a pattern, unless the format is given.
    pattern = path.suffix.lower() == ".gif" and not {*path.name}.isdisjoint("%*?[{")
    kind = "gif" if pattern else None
    # Absolute and with its protocol, so that a name such as `concat:a|b` or `subfile:…` is only a file name.
    source: Any = f"file:{path.absolute()}"
    options = OPTIONS | QUICK if quick else OPTIONS
    with contextlib.ExitStack() as stack:
        if webp.is_webp(path):
            source, kind = stack.enter_context(webp.as_stream(path)), webp.FORMAT
        stack.enter_context(ffmpeg_errors("FFmpeg cannot read it"))
        try:
            container = av.open(source, "r", format=kind, options=options, metadata_errors="replace")
        except av.error.ArgumentError:  # rejected by the lists above
            raise ClipError(f"FFmpeg cannot read it: {OTHER}") from None
        yield stack.enter_context(container)


def check_for_decord(path: Path, container: Any) -> None:
    """Reject files that decord may open differently from PyAV: its FFmpeg is older and has no list of containers.

    Args:
        path: the file.
        container: the opened file, from `open_media`.

    Raises:
        ClipError: the file is a GIF, whose name may be a pattern, or a WebP, or FFmpeg may detect a playlist in it, or
            its name is not valid UTF-8.
    """
    if path_text(path).startswith(FILE):
        raise ClipError("decord cannot decode it: its name is not valid UTF-8; rename the file")
    with path.open("rb") as file:
        text = file.read(PROBED).split(b"\0", 1)[0].lower()
    if container.format.name == "gif" or webp.is_webp(path) or any(script in text for script in SCRIPTS):
        raise ClipError("decord cannot decode it: it is a GIF, a WebP or a playlist, or may be read as one")


@contextlib.contextmanager
def ffmpeg_errors(what: str, *, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Raise a `ClipError` that begins with `what` instead of FFmpeg's errors, except those of the type `but`."""
    import av

    try:
        yield
    except av.error.FFmpegError as error:
        if isinstance(error, but):
            raise
        raise ClipError(f"{what}: {(error.strerror or str(error)).lower()}") from None
