"""One clip's file in a release: the catalogued bytes, or H.264 where common readers cannot read those."""

import contextlib
import errno
import fcntl
import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hfv_builder.frames.decord_reader import reads
from hfv_builder.frames.facts import Probe, is_plain, probe
from hfv_builder.frames.media import ffmpeg_errors, open_media
from hfv_builder.records import ClipError
from hfv_builder.release.encoding import Encoding
from hfv_builder.release.outputs import Output, encode
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.part_file import part_file
from hfv_builder.storage.precautions import LACKING, flush

FICLONE = 0x40049409
"""Linux's ioctl that lets two files share their blocks."""
NO_LINK = LACKING | {errno.EXDEV, errno.EMLINK}
"""What systems say where two files cannot be one."""
KEPT = ("h264", "hevc", "vp9", "mpeg4")
"""Codecs that stay as they are, in an MP4 file that players show alike and decord reads; all others become H.264."""
ENCODING = Encoding(quantiser=16, preset="veryfast")
"""Of files that common readers cannot read: visually lossless."""
BLOCK = 1 << 20


class Media(StrEnum):
    """What was done to a clip's file."""

    ORIGINAL = "original"
    REMUXED = "remuxed"
    ENCODED = "encoded"
    UNIFORM = "uniform"
    VARIANT = "variant"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A clip's file in the release."""

    media: Media
    sha256: str
    bytes: int
    probe: Probe | None = None
    """What the new file says of itself, if it is not the catalogued one."""
    shape: float = 1.0
    """Width over height of the pixels that it was cropped from."""


def place_original(source: Path, target: Path, *, expected: str) -> Placed:
    """Put a clip's file into the release: the catalogued bytes, or the same frames where decord cannot read them.

    Args:
        source: the catalogued file.
        target: where it goes; what is there is replaced.
        expected: the SHA-256 that the catalogue gives, in hex.

    Raises:
        ClipError: the file is not the catalogued one any more, or cannot be decoded.
        OSError: the source cannot be read or the target cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    container, codec = _kind(source)
    kept = codec in KEPT and is_plain(source)
    if kept and "mp4" in container and reads(source):
        link_or_copy(source, target, expected=expected)
        return Placed(media=Media.ORIGINAL, sha256=expected, bytes=target.stat().st_size)
    check(source, expected)
    media = Media.REMUXED if kept and _remux(source, target) else Media.ENCODED
    if media is Media.ENCODED:
        encode(source, [Output(path=target, encoding=ENCODING)])
    return made(target, media)


def made(target: Path, media: Media) -> Placed:
    """Return what a file is that was just written, once it is on the disk."""
    with target.open("rb") as file:
        flush(file.fileno(), target)
    return Placed(media=media, sha256=file_sha256(target), bytes=target.stat().st_size, probe=probe(target))


def check(source: Path, expected: str) -> None:
    """Check that a file is the catalogued one.

    Raises:
        ClipError: it is another.
    """
    if file_sha256(source) != expected:
        raise ClipError("the file has changed since it was catalogued")


def link_or_copy(source: Path, target: Path, *, expected: str) -> None:
    """Make `target` the same file as `source`, else a file that shares its blocks, else a copy.

    Raises:
        ClipError: its SHA-256 is not the expected one; there is no target then.
        OSError: the source cannot be read or the target cannot be written.
    """
    source = source.resolve()
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        with part_file(target) as part:
            if _copy(source, part) != expected:
                raise ClipError("the file has changed since it was catalogued") from None
        return
    try:
        check(target, expected)
    except ClipError:
        target.unlink()
        raise


def _copy(source: Path, target: Path) -> str:
    """Copy a file, its blocks shared where the file system can do that; the SHA-256 of the copy."""
    with source.open("rb") as old, target.open("w+b") as new:
        with contextlib.suppress(OSError):
            fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
            return file_sha256(target)
        digest = hashlib.sha256()
        while block := old.read(BLOCK):
            digest.update(block)
            new.write(block)
        new.flush()
        flush(new.fileno(), target)
        return digest.hexdigest()


def _kind(source: Path) -> tuple[str, str]:
    """Return the names of the container and of the codec of the first video stream."""
    with open_media(source) as container:
        streams = container.streams.video
        codec = streams[0].codec_context.codec.canonical_name if streams and streams[0].codec_context else ""
        return container.format.name, codec


def _remux(source: Path, target: Path) -> bool:
    """Move the packets of the video into an MP4 file; False if they do not fit there or decord cannot read it."""
    import av

    try:
        with ffmpeg_errors("FFmpeg cannot remux it"), open_media(source) as old, part_file(target) as part:
            stream = old.streams.video[0]
            with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as new:
                copy = new.add_stream_from_template(stream)
                for packet in old.demux(stream):
                    if packet.dts is not None:
                        packet.stream = copy
                        new.mux(packet)
    except (ClipError, ValueError):
        return False
    if not reads(target):
        target.unlink()
        return False
    return True
