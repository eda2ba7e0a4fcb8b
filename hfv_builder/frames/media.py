"""Opening media: the one place where a file reaches FFmpeg, and only as a self-contained clip.

A playlist, a script or a name pattern makes FFmpeg open other files and addresses. So the containers that FFmpeg may
recognise are listed here, none of which does that, and files are the only protocol.
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
    # Sound alone, so that the reason says what it is.
    *("mp3", "wav", "flac", "aac", "ac3", "eac3", "aiff", "caf", "w64"),
)
"""FFmpeg's names of the demuxers that open no other file and play no text and no still image."""
MOST_PIXELS = {"max_pixels": str(FRAME_PIXELS)}
"""Lets FFmpeg refuse larger frames before it takes memory for them."""
OPTIONS = {
    "format_whitelist": ",".join(CONTAINERS),
    "protocol_whitelist": "file",
    **MOST_PIXELS,  # it decodes some frames while it opens a file
}
NO_FRAMES = {"skip_frame": "all"}
"""Opens a file ten times as fast: FFmpeg does not decode frames to learn what the first frame or no one needs."""
OTHER = "it is a text, playlist or still image, or of a container that is not accepted"
POINTER = b"version https://git-lfs"
PROBED = 1 << 20
"""Bytes from the start by which FFmpeg recognises a file."""
SCRIPTS = (b"#extm3u", b"ffconcat", b"<mpd", b"c=in ip", b"# vobsub")
"""Text, in lower case, by which FFmpeg takes a file for a playlist, a session description or an index."""


@contextlib.contextmanager
def open_media(path: Path, *, quick: bool = False) -> Iterator[Any]:
    """Open a media file for reading with PyAV and close it at the end; everything that reads media comes this way.

    Args:
        quick: decode nothing while opening. For reading packets and the first frame: decoders that have not seen
            how far frames are reordered may drop later ones.

    Yields:
        The `av.container.InputContainer`.

    Raises:
        ClipError: the file is missing, empty, no media file, or in a container that is not in `CONTAINERS`.
    """
    import av

    av.logging.set_level(None)  # damaged media would fill the terminal; the reason goes into the clip's row
    if not path.is_file():
        raise ClipError("the file is not there")
    if path.stat().st_size == 0:
        raise ClipError("the file is empty (0 bytes)")
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise ClipError("it is a Git LFS pointer and not the clip; run `git lfs pull` in its repository")
    # A GIF whose name holds one of these characters is a pattern of names to FFmpeg, unless its format is given.
    pattern = path.suffix.lower() == ".gif" and not {*path.name}.isdisjoint("%*?[{")
    kind = "gif" if pattern else None
    # Absolute and with its protocol: a name such as `concat:a|b` or `subfile:…` is a file's name and nothing else.
    source: Any = f"file:{path.absolute()}"
    options = OPTIONS | NO_FRAMES if quick else OPTIONS
    with contextlib.ExitStack() as stack:
        if webp.is_webp(path):
            source, kind = stack.enter_context(webp.as_stream(path)), webp.FORMAT
        stack.enter_context(ffmpeg_errors("FFmpeg cannot read it"))
        try:
            container = av.open(source, "r", format=kind, options=options, metadata_errors="replace")
        except av.error.ArgumentError:  # what the lists above refuse
            raise ClipError(f"FFmpeg cannot read it: {OTHER}") from None
        yield stack.enter_context(container)


def check_for_decord(path: Path, container: Any) -> None:
    """Refuse what decord may open differently from PyAV: its own FFmpeg is older and takes no list of containers.

    Args:
        container: the file, as `open_media` yields it.

    Raises:
        ClipError: it is a GIF, whose name may be a pattern, or begins with text by which it also passes for a playlist.
    """
    if path_text(path).startswith(FILE):
        raise ClipError("decord cannot decode it: its name is not valid UTF-8; rename the file")
    with path.open("rb") as file:
        text = file.read(PROBED).split(b"\0", 1)[0].lower()
    if container.format.name == "gif" or webp.is_webp(path) or any(script in text for script in SCRIPTS):
        raise ClipError("decord cannot decode it: it is a GIF, a WebP, a playlist, or passes for one")


@contextlib.contextmanager
def ffmpeg_errors(what: str) -> Iterator[None]:
    """Turn FFmpeg's errors into a `ClipError` that begins with `what`."""
    import av

    try:
        yield
    except av.error.FFmpegError as error:
        raise ClipError(f"{what}: {(error.strerror or str(error)).lower()}") from None
