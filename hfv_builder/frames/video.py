"""Decoding: from a path to the frames of a clip, the way they are shown.

PyAV is the default decoder: it reads in order, honours edit lists, and gives timestamps, display matrix and pixel
format. decord is a choice, for scores comparable with training code that reads through it.
"""

import contextlib
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hfv_builder.frames import decord_reader
from hfv_builder.frames.decoding import Decoding
from hfv_builder.frames.display import AS_IT_IS, pixel_shape, transform_of
from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.media import check_for_decord, ffmpeg_errors
from hfv_builder.frames.steps import Link, Links, Sampling, choose
from hfv_builder.frames.stream import moving, open_stream
from hfv_builder.records import ClipError, UsageError

Decoder = Literal["pyav", "decord"]
CHUNK_BYTES = 64 << 20
"""How much of a clip is decoded before it is handed on."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of a clip."""

    rgb: npt.NDArray[np.uint8]
    """(H, W, 3), as it is shown."""
    index: int
    """Its number in the clip, from 0."""
    time_s: float = np.nan
    """Presentation time in seconds from the first frame; NaN where nothing is known, and where nobody asked."""
    shape: float = 1.0
    """Width of its pixels over their height, as it is shown."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some consecutive frames of what is taken from a clip."""

    rgb: npt.NDArray[np.uint8]
    """(n, H, W, 3), mirrored and turned as they are shown; pixels that are not square stay as they are stored."""
    index: npt.NDArray[np.int32]
    """(n,), the number of each frame in the clip, from 0; frames that cannot be decoded are counted."""
    link: Links | None = None
    """(n,), how each frame is linked to the one taken before it, a `Link`; None if each makes a pair with the one
    before it wherever its number is the next."""
    missing: int = 0
    """Frames of the clip that could not be decoded; complete in its last chunk."""
    damaged: int = 0
    """Frames of the clip that the decoder could read in part only; complete in its last chunk."""
    shape: float = 1.0
    """Width of the pixels over their height, as they are shown."""


def decoder_version(decoder: Decoder) -> str:
    """The version of the package that decodes.

    Raises:
        UsageError: it is not installed.
    """
    with _installed(decoder):
        return metadata.version({"pyav": "av", "decord": "decord"}[decoder])


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
    """The frames of the clip in order with their times, one by one, each of its own size; PyAV decodes.

    What cannot be decoded is passed over; the numbers of the frames count it.

    Args:
        only: the numbers of the frames to give; every frame without it.

    Raises:
        ClipError: the file is no video, or no frame can be decoded.
    """
    timeline = read_timeline(path)
    with open_stream(path) as (container, stream):
        decoding = Decoding(container, stream)
        for frame in _frames(decoding, stream, only):
            yield replace(frame, time_s=timeline.time(frame.index + decoding.lead) - timeline.time(decoding.lead))


def _frames(decoding: Decoding, stream: Any, only: Container[int] | None) -> Iterator[Frame]:
    """The frames with these numbers, or all, without their times; see `frames`."""
    from av.video.reformatter import VideoReformatter

    converter = VideoReformatter()
    for number, frame in decoding:
        if only is None or number in only:
            transform = transform_of(frame) or AS_IT_IS
            rgb = transform.apply(_rgb(frame, converter))
            yield Frame(rgb=rgb, index=number, shape=pixel_shape(stream, transform))
    if decoding.decoded == 0:
        raise ClipError(decoding.nothing)


def _decode_pyav(path: Path, sampling: Sampling, min_decoded: float) -> Iterator[Chunk]:
    places: dict[int, int] | None = None
    chosen = None
    if not sampling.everything:
        chosen = choose(read_timeline(path).times, sampling)
        places = {number: place for place, number in enumerate(chosen.frames.tolist())}
    pending: list[Frame] = []
    links: list[int] = []
    last: int | None = None
    with open_stream(path) as (container, stream):
        decoding = Decoding(container, stream)
        for frame in _same_size(_frames(decoding, stream, places)):
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
    # What is no video is reported in the same words, whichever decoder is chosen.
    with open_stream(path) as (container, stream):
        check_for_decord(path, container)
        frame = Decoding(container, stream).first()
        transform = transform_of(frame)
        # It mirrors nothing, turns by whole degrees, and chooses a stream by rules of its own.
        turns_alike = transform is None or frame.rotation % 360 == 90 * transform.turns
        if not turns_alike or (transform or AS_IT_IS).mirrored or len(moving(container)) > 1:
            raise ClipError(
                "decord cannot decode it as it is shown: its display matrix mirrors or is rounded, or it has several "
                'video streams; use decoder = "pyav"'
            )
        shape = pixel_shape(stream, transform or AS_IT_IS)
    with _installed("decord"):
        rgb, chosen = decord_reader.read(path, sampling, read_timeline(path).times)
    step = max(1, CHUNK_BYTES // rgb[0].nbytes)
    for start in range(0, len(rgb), step):
        part = slice(start, start + step)
        yield Chunk(rgb=rgb[part], index=chosen.frames[part].astype(np.int32), link=chosen.link[part], shape=shape)


def _chunk(pending: list[Frame], links: list[int], *, missing: int = 0, damaged: int = 0) -> Chunk:
    return Chunk(
        rgb=np.stack([frame.rgb for frame in pending]),
        index=np.asarray([frame.index for frame in pending], np.int32),
        link=np.asarray(links, np.uint8),
        missing=missing,
        damaged=damaged,
        shape=pending[0].shape,
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


def _rgb(frame: Any, converter: Any) -> npt.NDArray[np.uint8]:
    """The frame as RGB, as it is stored; a frame that converts itself starts threads to do it."""
    with ffmpeg_errors("FFmpeg cannot convert its frames"):
        rgb: npt.NDArray[np.uint8] = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return rgb
