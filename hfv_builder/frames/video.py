"""Decode the frames of a clip, transformed by their display matrix.

PyAV is the default decoder: it reads in order, honours edit lists, and returns timestamps, display matrix and pixel
format. decord is an alternative, for scores comparable with training code that uses it.
"""

import contextlib
from collections.abc import Collection, Iterator
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
"""Size of a chunk of frames in bytes."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of a clip."""

    rgb: npt.NDArray[np.uint8]
    """(H, W, 3), after the display matrix was applied."""
    index: int
    """Index in the clip, from 0."""
    time_s: float = np.nan
    """Presentation time in seconds from the first frame; NaN if unknown or not requested."""
    shape: float = 1.0
    """Width / height of its pixels, after the display matrix was applied."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive selected frames of a clip."""

    rgb: npt.NDArray[np.uint8]
    """(n, H, W, 3), after the display matrix was applied; not scaled to square pixels."""
    index: npt.NDArray[np.int32]
    """(n,), frame indices in the clip, from 0; frames that cannot be decoded are counted."""
    link: Links | None = None
    """(n,), the `Link` of every frame to the previous selected one; None if consecutive indices are pairs."""
    missing: int = 0
    """Number of frames of the clip that could not be decoded; complete in the last chunk."""
    damaged: int = 0
    """Number of frames of the clip that could only be decoded in part; complete in the last chunk."""
    shape: float = 1.0
    """Width / height of the pixels, after the display matrix was applied."""


def decoder_version(decoder: Decoder) -> str:
    """Return the version of the decoder's package.

    Raises:
        UsageError: the package is not installed.
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
    """Yield the selected frames of the clip in order, in chunks of bounded size, with their links.

    Frames before and after missing ones are not linked. decord cannot continue after an error: with it a damaged clip
    always fails.

    Args:
        path: the file.
        decoder: the decoder.
        pairs: select only the frames of this many adjacent pairs, spread evenly; 0 selects all frames.
        rate: consider only the frames nearest to multiples of 1/rate seconds, and treat consecutive ones as adjacent;
            0 considers all, and so does a clip that is not faster.
        runs: also select the frame after every pair.
        min_decoded: fraction of the frames that must be decodable, in [0, 1].

    Raises:
        ClipError: too few frames can be decoded, the frames differ in size, or `rate` is given and they have no times.
        UsageError: the decoder is not installed.
    """
    sampling = Sampling(pairs=pairs, rate=rate, runs=runs)
    if decoder == "decord":
        return _decode_decord(path, sampling)
    return _decode_pyav(path, sampling, min_decoded)


def frames(path: Path, *, only: Collection[int] | None = None) -> Iterator[Frame]:
    """Yield the frames of the clip in order with their times, decoded by PyAV; sizes may differ.

    Frames that cannot be decoded are skipped, but counted in the indices.

    Args:
        path: the file.
        only: indices of the frames to yield, of which the last ends the decoding; None yields all.

    Raises:
        ClipError: the file is not a video, or no frame can be decoded.
    """
    timeline = read_timeline(path)
    last = None if only is None else max(only, default=None)
    with open_stream(path) as (container, stream):
        decoding = Decoding(container, stream)
        for frame in _frames(decoding, stream, only):
            yield replace(frame, time_s=timeline.time(frame.index))
            if frame.index == last:
                break


def _frames(decoding: Decoding, stream: Any, only: Collection[int] | None) -> Iterator[Frame]:
    """Yield the frames with these indices, or all, without their times; see `frames`."""
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
            raise ClipError(f"{decoded} of {total} frames can be decoded; the profile requires {share}")
        if pending:
            yield _chunk(pending, links, missing=missing, damaged=decoding.damaged)


def _same_size(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield the same frames.

    Raises:
        ClipError: the size of a frame differs from the first.
    """
    shape: tuple[int, ...] | None = None
    for frame in frames:
        current = frame.rgb.shape
        shape = shape or current
        if current != shape:
            raise ClipError(
                f"frame {frame.index} is {current[1]}x{current[0]}, the frames before it are {shape[1]}x{shape[0]}"
            )
        yield frame


def _decode_decord(path: Path, sampling: Sampling) -> Iterator[Chunk]:
    # PyAV reports files that are not videos, so that the errors do not depend on the decoder.
    with open_stream(path) as (container, stream):
        check_for_decord(path, container)
        frame = Decoding(container, stream).first()
        transform = transform_of(frame)
        # decord does not mirror, rotates by whole degrees, and selects a stream by another rule.
        same_rotation = transform is None or frame.rotation % 360 == 90 * transform.turns
        if not same_rotation or (transform or AS_IT_IS).mirrored or len(moving(container)) > 1:
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
            f'{decoder} is not installed here: use decoder = "pyav", or run `make setup` on a platform with a wheel '
            "(decord: Linux on x86-64)"
        ) from None


def _rgb(frame: Any, converter: Any) -> npt.NDArray[np.uint8]:
    """Return the stored frame as RGB; `VideoFrame.reformat` would start threads."""
    with ffmpeg_errors("FFmpeg cannot convert its frames"):
        rgb: npt.NDArray[np.uint8] = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return rgb
