"""Probing and decoding: from a path to what the file says of itself, and to its frames.

PyAV is the default decoder: it reads in order, honours edit lists, and tells timestamps, rotation and pixel
format. decord is a choice, for scores comparable with training code that reads through it.
"""

import bisect
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hfv_builder.media import check_for_decord, ffmpeg_errors, open_media
from hfv_builder.records import ClipError, UsageError

Decoder = Literal["pyav", "decord"]
CHUNK_BYTES = 64 << 20
"""How much of a clip is decoded before it is handed on."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a file says of itself, and its first frame shows. None where it says nothing."""

    width: int
    """Pixels, of the frame as it is shown (after rotation)."""
    height: int
    fps: float | None
    num_frames: int | None
    """As declared, or counted from the packets where nothing is declared; decoding may give fewer."""
    duration_s: float | None
    codec: str
    pix_fmt: str
    rotation: int
    """Degrees counter-clockwise by which a decoded frame is turned for display: 0, 90, 180 or 270."""
    bit_rate: int | None


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of a clip."""

    rgb: npt.NDArray[np.uint8]
    """(H, W, 3), as it is shown."""
    index: int
    """Its number in the clip, from 0."""
    time_s: float
    """Presentation time in seconds from the first frame; NaN where the file has none."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some consecutive frames of what is taken from a clip."""

    rgb: npt.NDArray[np.uint8]
    """(n, H, W, 3), as they are shown."""
    index: npt.NDArray[np.int32]
    """(n,), the number of each frame in the clip, from 0."""


def decoder_version(decoder: Decoder) -> str:
    """The version of the package that decodes.

    Raises:
        UsageError: it is not installed.
    """
    with _installed(decoder):
        return metadata.version({"pyav": "av", "decord": "decord"}[decoder])


def probe(path: Path) -> Probe:
    """What the file says of itself; its first frame is decoded to see that it can be.

    Raises:
        ClipError: it is no video or cannot be decoded.
    """
    with _open(path) as (container, stream):
        declared = stream.frames or None
        frame = next(_decoded(container, stream), None)
        if frame is None:
            raise ClipError("no frame can be decoded")
        turned = frame.rotation % 180 != 0
        context = stream.codec_context
        duration = _duration(container, stream)
        found = Probe(
            width=frame.height if turned else frame.width,
            height=frame.width if turned else frame.height,
            fps=_number(stream.average_rate or stream.guessed_rate),
            num_frames=declared,
            duration_s=duration,
            codec=context.codec.canonical_name if context.codec else context.name,
            pix_fmt=frame.format.name,
            rotation=frame.rotation % 360,
            bit_rate=stream.bit_rate or container.bit_rate or None,
        )
    if declared is None:
        return Probe(**{**vars(found), "num_frames": count_frames(path)})
    return found


def count_frames(path: Path) -> int:
    """How many frames the file's packets promise to show, read without decoding.

    Raises:
        ClipError: it is no video.
    """
    with _open(path) as (container, stream), ffmpeg_errors("FFmpeg cannot read it"):
        return sum(1 for packet in container.demux(stream) if packet.size and not packet.is_discard)


def spread_pairs(count: int, pairs: int) -> list[int]:
    """The frames of `pairs` adjacent pairs spread evenly over `count` frames, sorted; all frames for 0 pairs.

    >>> spread_pairs(10, 3)
    [0, 1, 4, 5, 8, 9]
    """
    if pairs == 0 or pairs >= count - 1:
        return list(range(count))
    last = count - 2
    starts = [last // 2] if pairs == 1 else [(i * last + (pairs - 1) // 2) // (pairs - 1) for i in range(pairs)]
    return sorted({frame for start in starts for frame in (start, start + 1)})


def decode(path: Path, *, decoder: Decoder = "pyav", pairs: int = 0) -> Iterator[Chunk]:
    """The frames of the clip in order, in chunks of a bounded size.

    Args:
        pairs: take only the frames of this many adjacent pairs, spread evenly; 0 takes every frame.

    Raises:
        ClipError: the file cannot be decoded to its end, or its frames differ in size.
        UsageError: the decoder is not installed.
    """
    read = {"pyav": _decode_pyav, "decord": _decode_decord}[decoder]
    return read(path, pairs)


def frames(path: Path, *, only: Sequence[int] | None = None) -> Iterator[Frame]:
    """The frames of the clip in order, one by one, each of its own size; PyAV decodes.

    Unlike `decode`, it gives the frames before a damaged place, one after another, and raises only then.

    Args:
        only: the numbers of the frames to give, sorted; every frame without it.

    Raises:
        ClipError: the file is no video, or cannot be decoded past the frames given.
    """
    from av.video.reformatter import VideoReformatter

    origin: float | None = None
    converter = VideoReformatter()
    with _open(path) as (container, stream):
        for number, frame in enumerate(_decoded(container, stream)):
            time = np.nan if frame.time is None else frame.time
            origin = time if origin is None else origin
            if only is None or _contains(only, number):
                yield Frame(rgb=_upright(frame, converter), index=number, time_s=time - origin)


def _decode_pyav(path: Path, pairs: int) -> Iterator[Chunk]:
    wanted = spread_pairs(count_frames(path), pairs) if pairs else None
    pending: list[Frame] = []
    shape: tuple[int, ...] | None = None
    for frame in frames(path, only=wanted):
        found = frame.rgb.shape
        shape = shape or found
        if found != shape:
            raise ClipError(
                f"frame {frame.index} is {found[1]}x{found[0]}, the frames before it are {shape[1]}x{shape[0]}"
            )
        pending.append(frame)
        if len(pending) * frame.rgb.nbytes >= CHUNK_BYTES:
            yield _chunk(pending)
            pending = []
    if pending:
        yield _chunk(pending)


def _decode_decord(path: Path, pairs: int) -> Iterator[Chunk]:
    with _installed("decord"):
        import decord
    with _open(path) as (container, _):  # what is no video is reported in the same words, whichever decoder is chosen
        check_for_decord(path, container)
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=1)
        wanted = spread_pairs(len(reader), pairs)
        # One read, then away with it: a reader that lives on keeps decoding in the background, without bound.
        rgb = reader.get_batch(wanted).asnumpy()
        del reader
    except (decord.DECORDError, RuntimeError) as error:
        # Of a C++ stack, what stands behind the last source location in the first line.
        reason = re.sub(r"\[[^]]*\] \S+:\d+: ", "", str(error).strip().splitlines()[0])
        raise ClipError(f"decord cannot decode it: {reason}") from None
    step = max(1, CHUNK_BYTES // rgb[0].nbytes)
    for start in range(0, len(rgb), step):
        part = slice(start, start + step)
        yield Chunk(rgb=rgb[part], index=np.asarray(wanted[part], np.int32))


def _contains(numbers: Sequence[int], number: int) -> bool:
    at = bisect.bisect_left(numbers, number)
    return at < len(numbers) and numbers[at] == number


def _chunk(pending: list[Frame]) -> Chunk:
    return Chunk(
        rgb=np.stack([frame.rgb for frame in pending]),
        index=np.asarray([frame.index for frame in pending], np.int32),
    )


@contextlib.contextmanager
def _installed(decoder: Decoder) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise UsageError(
            f'{decoder} is not installed here: use decoder = "pyav", or run `make setup` where there is a wheel of it '
            "(of decord: Linux on x86-64)"
        ) from None


def _upright(frame: Any, converter: Any) -> npt.NDArray[np.uint8]:
    """The frame as RGB, turned the way it is to be shown; a frame that converts itself starts threads to do it."""
    with ffmpeg_errors("FFmpeg cannot convert its frames"):
        rgb: npt.NDArray[np.uint8] = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90 % 4)) if frame.rotation else rgb


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first real video stream; closed at the end, whatever happens."""
    with open_media(path) as container:
        streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams:
            raise ClipError("it has no video stream")
        stream = streams[0]
        if stream.codec_context is None:
            raise ClipError("its video is in no known format")
        # Workers are the parallelism; a decoder with threads of its own would oversubscribe the machine.
        stream.codec_context.thread_count = 1
        yield container, stream


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames in presentation order; an error says how far decoding went."""
    import av

    number = 0
    try:
        for frame in container.decode(stream):
            yield frame
            number += 1
    except av.error.FFmpegError as error:
        reason = (error.strerror or str(error)).lower()
        raise ClipError(f"FFmpeg cannot decode it past frame {number}: {reason}") from None


def _duration(container: Any, stream: Any) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _number(rate: Fraction | None) -> float | None:
    return float(rate) if rate else None
