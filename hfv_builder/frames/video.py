"""Probing and decoding: from a path to what the file says of itself, and to its frames.

PyAV is the default decoder: it reads in order, honours edit lists, and tells timestamps, rotation and pixel
format. decord is a choice, for scores comparable with training code that reads through it.
"""

import contextlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hfv_builder.frames import decord_reader, webp
from hfv_builder.frames.decoding import Decoding, presentation_times
from hfv_builder.frames.media import check_for_decord, ffmpeg_errors, open_media
from hfv_builder.frames.steps import Link, Links, Sampling, choose
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
    """(n,), the number of each frame in the clip, from 0; frames that cannot be decoded are counted."""
    link: Links | None = None
    """(n,), how each frame is linked to the one taken before it, a `Link`; None if each makes a pair with the one
    before it wherever its number is the next."""
    missing: int = 0
    """Frames of the clip that could not be decoded; complete in its last chunk."""
    damaged: int = 0
    """Frames of the clip that the decoder could read in part only; complete in its last chunk."""


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
        decoding = Decoding(container, stream)
        _, frame = next(iter(decoding), (0, None))
        if frame is None:
            raise ClipError(f"no frame can be decoded{f': {decoding.reason}' if decoding.reason else ''}")
        turned = frame.rotation % 180 != 0
        context = stream.codec_context
        duration = _duration(container, stream)
        found = Probe(
            width=frame.height if turned else frame.width,
            height=frame.width if turned else frame.height,
            fps=_number(stream.average_rate or stream.guessed_rate),
            num_frames=declared,
            duration_s=duration,
            codec=webp.CODEC if webp.is_webp(path) else context.codec.canonical_name if context.codec else context.name,
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
    with _open(path) as (container, stream):
        return len(presentation_times(container, stream))


def decode(
    path: Path,
    *,
    decoder: Decoder = "pyav",
    pairs: int = 0,
    rate: float = 0,
    runs: bool = False,
    min_decoded: float = 0.9,
) -> Iterator[Chunk]:
    """The frames of the clip in order, in chunks of a bounded size, each with its link to the frame before.

    Frames on the two sides of a place that cannot be decoded are not linked. decord cannot go on after such a place:
    with it a damaged clip always fails.

    Args:
        pairs: take only the frames of this many adjacent pairs, spread evenly; 0 takes every frame.
        rate: look only at the frames nearest to multiples of 1/rate seconds, and take those next to one another for
            adjacent; 0, or a clip that is not faster, looks at all.
        runs: with each pair take the frame after it.
        min_decoded: share of the frames that must be decodable, in [0, 1].

    Raises:
        ClipError: too few frames can be decoded, its frames differ in size, or `rate` is given and they have no times.
        UsageError: the decoder is not installed.
    """
    sampling = Sampling(pairs=pairs, rate=rate, runs=runs)
    if decoder == "decord":
        return _decode_decord(path, sampling)
    return _decode_pyav(path, sampling, min_decoded)


def frames(path: Path, *, only: Container[int] | None = None) -> Iterator[Frame]:
    """The frames of the clip in order, one by one, each of its own size; PyAV decodes.

    What cannot be decoded is passed over; the numbers of the frames count it.

    Args:
        only: the numbers of the frames to give; every frame without it.

    Raises:
        ClipError: the file is no video, or no frame can be decoded.
    """
    with _open(path) as (container, stream):
        yield from _frames(Decoding(container, stream), only)


def _frames(decoding: Decoding, only: Container[int] | None) -> Iterator[Frame]:
    """The frames with these numbers, or all; see `frames`."""
    from av.video.reformatter import VideoReformatter

    origin: float | None = None
    converter = VideoReformatter()
    for number, frame in decoding:
        time = np.nan if frame.time is None else frame.time
        origin = time if origin is None else origin
        if only is None or number in only:
            yield Frame(rgb=_upright(frame, converter), index=number, time_s=time - origin)
    if origin is None:
        raise ClipError(f"no frame can be decoded{f': {decoding.reason}' if decoding.reason else ''}")


def _decode_pyav(path: Path, sampling: Sampling, min_decoded: float) -> Iterator[Chunk]:
    places: dict[int, int] | None = None
    chosen = None
    if not sampling.everything:
        with _open(path) as (container, stream):
            chosen = choose(presentation_times(container, stream), sampling)
        places = {number: place for place, number in enumerate(chosen.frames.tolist())}
    pending: list[Frame] = []
    links: list[int] = []
    last: int | None = None
    with _open(path) as (container, stream):
        decoding = Decoding(container, stream)
        for frame in _same_size(_frames(decoding, places)):
            if len(pending) * frame.rgb.nbytes >= CHUNK_BYTES:
                yield _chunk(pending, links)
                pending, links = [], []
            place = frame.index if places is None else places[frame.index]
            link = Link.STEP if chosen is None else chosen.link[place]
            links.append(link if last is not None and place == last + 1 else Link.NONE)
            pending.append(frame)
            last = place
        decoded, missing = decoding.decoded, decoding.missing
        if decoded < min_decoded * (decoded + missing):
            total, share = decoded + missing, f"{100 * min_decoded:.4g} %"
            raise ClipError(f"{decoded} of {total} frames can be decoded; the profile asks for {share}")
        if pending:
            yield _chunk(pending, links, missing=missing, damaged=decoding.damaged)


def _same_size(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The same frames.

    Raises:
        ClipError: one is not of the size of the first.
    """
    shape: tuple[int, ...] | None = None
    for frame in frames:
        found = frame.rgb.shape
        shape = shape or found
        if found != shape:
            raise ClipError(
                f"frame {frame.index} is {found[1]}x{found[0]}, the frames before it are {shape[1]}x{shape[0]}"
            )
        yield frame


def _decode_decord(path: Path, sampling: Sampling) -> Iterator[Chunk]:
    with _open(path) as (container, _):  # what is no video is reported in the same words, whichever decoder is chosen
        check_for_decord(path, container)
    with _installed("decord"):
        rgb, chosen = decord_reader.read(path, sampling)
    step = max(1, CHUNK_BYTES // rgb[0].nbytes)
    for start in range(0, len(rgb), step):
        part = slice(start, start + step)
        yield Chunk(rgb=rgb[part], index=chosen.frames[part].astype(np.int32), link=chosen.link[part])


def _chunk(pending: list[Frame], links: list[int], *, missing: int = 0, damaged: int = 0) -> Chunk:
    return Chunk(
        rgb=np.stack([frame.rgb for frame in pending]),
        index=np.asarray([frame.index for frame in pending], np.int32),
        link=np.asarray(links, np.uint8),
        missing=missing,
        damaged=damaged,
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


def _duration(container: Any, stream: Any) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _number(rate: Fraction | None) -> float | None:
    return float(rate) if rate else None
