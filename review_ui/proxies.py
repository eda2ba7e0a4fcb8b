"""Make media for the review page: proxies that every browser plays, and film strips.

A proxy is H.264 in yuv420p with `moov` before `mdat`, upright, with square pixels and a short side of at most 720
pixels. Its frames have the presentation times of the original.
"""

import itertools
import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.frames.display import display_size
from hfv_builder.frames.encode import tag_colours
from hfv_builder.frames.facts import is_plain
from hfv_builder.frames.media import ffmpeg_errors
from hfv_builder.frames.video import Frame
from hfv_builder.frames.video import frames as frames_of
from hfv_builder.records import ClipError
from hfv_builder.storage.part_file import part_file

SHORT_SIDE = 720
LONGEST_S = 600
"""Largest duration of a proxy in seconds, since longer ones would fill the disk and nobody reviews them."""
UNKNOWN_RATE = 25
"""Frames per second of the proxy of a clip without times and rate."""
TIME_BASE = Fraction(1, 90_000)
KEYFRAME_EVERY = 12
"""Frames between two key frames, few enough that stepping back is instant."""
STRIP = 12
"""Number of frames in a film strip."""
STRIP_HEIGHT = 72

Rgb = npt.NDArray[np.uint8]


def make_proxy(source: Path, target: Path) -> None:
    """Write the proxy of a clip, completely or not at all. A damaged clip gets a proxy of the frames that decode.

    Raises:
        ClipError: no frame can be decoded.
        OSError: the proxy cannot be written, for example because the disk is full.
    """
    with part_file(target) as part:
        _encode(_timed(source), part)


def _timed(source: Path) -> Iterator[Frame]:
    """Yield frames with their times; repeat the previous frame for a missing one, so that all keep their indices."""
    before: Frame | None = None
    try:
        # Not `decode`, which raises for a badly damaged clip and for frames of different sizes.
        for frame in frames_of(source):
            if np.isnan(frame.time_s):  # neither times nor a rate are known
                frame = replace(frame, time_s=frame.index / UNKNOWN_RATE)
            if frame.time_s > LONGEST_S:
                return
            if before is not None:
                missing = frame.index - before.index
                for number in range(1, missing):
                    between = before.time_s + number / missing * (frame.time_s - before.time_s)
                    yield replace(before, index=before.index + number, time_s=between)
            yield frame
            before = frame
    except ClipError:
        if before is None:
            raise


def _encode(frames: Iterator[Frame], target: Path) -> None:
    import av

    first = next(frames, None)
    if first is None:
        raise ClipError("no frame can be decoded")
    height, width = _size(*display_size(first.rgb.shape[0], first.rgb.shape[1], first.shape))
    with (
        ffmpeg_errors("FFmpeg cannot encode it", but=OSError),  # those of disks
        av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        # x264 uses the rate only for its bit rate control; the times below are the presentation times.
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "19", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = KEYFRAME_EVERY
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = stream.time_base = TIME_BASE
        tag_colours(stream)
        last = -1
        for frame in itertools.chain([first], frames):
            fits = frame.rgb.shape[:2] == (height, width)
            rgb = frame.rgb if fits else _resize(frame.rgb, width, height)
            encoded = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            encoded.time_base, encoded.pts = TIME_BASE, max(round(frame.time_s / TIME_BASE), last + 1)
            last = encoded.pts
            container.mux(stream.encode(encoded))
        container.mux(stream.encode(None))


def make_strip(source: Path, target: Path) -> None:
    """Write a WebP image of `STRIP` frames side by side, spread evenly over the clip.

    Raises:
        ClipError: no frame can be decoded, or the image cannot be written.
    """
    images: list[Rgb] = []
    every = 1
    # One pass over a clip of unknown length: when there are too many images, drop every other one.
    for number, frame in enumerate(_timed(source)):
        if number % every == 0:
            height, width = display_size(frame.rgb.shape[0], frame.rgb.shape[1], frame.shape)
            width = max(1, min(4 * STRIP_HEIGHT, round(width * STRIP_HEIGHT / height)))
            images.append(_resize(frame.rgb, width, STRIP_HEIGHT))
            if len(images) >= 4 * STRIP:
                images, every = images[::2], every * 2
    if not images:
        raise ClipError("no frame can be decoded")
    chosen = [images[i] for i in np.linspace(0, len(images) - 1, STRIP).round().astype(int)]
    with part_file(target) as part:
        done, data = cv2.imencode(".webp", np.hstack(chosen)[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, 70])
        if not done:
            raise ClipError("its film strip cannot be written")
        part.write_bytes(data.tobytes())


def copy(source: Path, target: Path) -> None:
    """Copy a file, completely or not at all."""
    with part_file(target) as part:
        shutil.copyfile(source, part)


def plays_everywhere(path: Path, facts: dict[str, Any]) -> bool:
    """Return whether all browsers play the original correctly: H.264 yuv420p in MP4 with `moov` first, no transform.

    Args:
        path: the file.
        facts: the row of the clip in the catalogue.

    Raises:
        ClipError: the file cannot be read.
    """
    short, rate = min(facts["width"] or 0, facts["height"] or 0), facts["bit_rate"] or 0
    if facts["codec"] != "h264" or facts["pix_fmt"] not in ("yuv420p", "yuvj420p") or facts["rotation"]:
        return False
    if not 16 <= short <= 1088 or rate > 12_000_000 or path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
        return False
    with suppress(OSError), path.open("rb") as file:
        return _index_in_front(file) and is_plain(path)
    return False


def _index_in_front(file: Any) -> bool:
    """Return whether `moov` comes before `mdat` (ISO/IEC 14496-12, §4.2: boxes of size and type)."""
    for _ in range(16):
        head = file.read(8)
        if len(head) < 8:
            return False
        size, kind = struct.unpack(">I4s", head)
        if kind in (b"moov", b"mdat"):
            return bool(kind == b"moov")
        if size == 1:
            size = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))[0] - 8
        if size < 8:
            return False
        file.seek(size - 8, 1)
    return False


def _size(height: int, width: int) -> tuple[int, int]:
    """Return even height and width of at least 2, with a short side of at most `SHORT_SIDE`."""
    scale = min(1.0, SHORT_SIDE / min(height, width))
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


def _resize(rgb: Rgb, width: int, height: int) -> Rgb:
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
