"""Media for the page: proxies that every browser plays, and film strips.

A proxy is H.264 in yuv420p with the index in front, upright, with square pixels, at most 720 pixels on its short side,
and shows each frame at the time at which the original does.
"""

import itertools
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.frames.display import display_size
from hfv_builder.frames.facts import is_plain
from hfv_builder.frames.video import Frame
from hfv_builder.frames.video import frames as frames_of
from hfv_builder.records import ClipError
from hfv_builder.storage.precautions import let_others_read

SHORT_SIDE = 720
LONGEST_S = 600
"""Seconds of a clip that a proxy holds at most: nobody reviews longer ones, and they would fill the disk."""
UNKNOWN_RATE = 25
"""Frames per second at which a clip is shown of which nothing is known."""
TIME_BASE = Fraction(1, 90_000)
KEYFRAME_EVERY = 12
"""Frames: close enough together that a step back is instant."""
STRIP = 12
"""Pictures in a film strip."""
STRIP_HEIGHT = 72

Rgb = npt.NDArray[np.uint8]


def make_proxy(source: Path, target: Path) -> None:
    """Write the proxy of a clip, whole or not at all.

    Raises:
        ClipError: the clip cannot be decoded; a proxy of what can be decoded of a damaged one is made all the same.
    """
    with _aside(target) as hidden:
        _encode(_timed(source), hidden)


def _timed(source: Path) -> Iterator[Frame]:
    """Frames with their times; where one cannot be decoded the frame before it, so that all keep their numbers."""
    before: Frame | None = None
    try:
        # Not `decode`, which gives nothing of a badly damaged clip, nor of one whose frames change in size.
        for frame in frames_of(source):
            if np.isnan(frame.time_s):  # nothing is known of its rate
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
    try:
        with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container:
            # x264 looks at the rate for its bit rate control only; the times below decide what is shown when.
            stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "19", "bf": "0"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.gop_size = KEYFRAME_EVERY
            stream.codec_context.thread_count = 1
            stream.codec_context.time_base = stream.time_base = TIME_BASE
            last = -1
            for each in itertools.chain([first], frames):
                fits = each.rgb.shape[:2] == (height, width)
                shown = each.rgb if fits else _resize(each.rgb, width, height)
                frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
                frame.time_base, frame.pts = TIME_BASE, max(round(each.time_s / TIME_BASE), last + 1)
                last = frame.pts
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except av.error.FFmpegError as error:
        raise ClipError(f"FFmpeg cannot encode it: {(error.strerror or str(error)).lower()}") from None


def make_strip(source: Path, target: Path) -> None:
    """Write a WebP of `STRIP` frames side by side, spread evenly over the clip.

    Raises:
        ClipError: the clip cannot be decoded.
    """
    pictures: list[Rgb] = []
    every = 1
    # One pass over a clip of unknown length: when too many are kept, every other one goes.
    for number, frame in enumerate(_timed(source)):
        if number % every == 0:
            height, width = display_size(frame.rgb.shape[0], frame.rgb.shape[1], frame.shape)
            width = max(1, min(4 * STRIP_HEIGHT, round(width * STRIP_HEIGHT / height)))
            pictures.append(_resize(frame.rgb, width, STRIP_HEIGHT))
            if len(pictures) >= 4 * STRIP:
                pictures, every = pictures[::2], every * 2
    if not pictures:
        raise ClipError("no frame can be decoded")
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, STRIP).round().astype(int)]
    with _aside(target) as hidden:
        done, data = cv2.imencode(".webp", np.hstack(chosen)[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, 70])
        if not done:
            raise ClipError("its film strip cannot be written")
        hidden.write_bytes(data.tobytes())


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    with _aside(target) as hidden:
        shutil.copyfile(source, hidden)


def plays_everywhere(path: Path, facts: dict[str, Any]) -> bool:
    """Whether browsers show the original as it is: H.264 yuv420p in MP4 that streams well, with nothing unusual.

    Args:
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
    """Whether `moov` comes before `mdat` (ISO/IEC 14496-12, §4.2: boxes of size and type)."""
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
    """Even, the short side at most `SHORT_SIDE` and neither under 2."""
    scale = min(1.0, SHORT_SIDE / min(height, width))
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


def _resize(rgb: Rgb, width: int, height: int) -> Rgb:
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """A hidden name beside the target, renamed to it when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=target.suffix)
    os.close(handle)
    hidden = Path(name)
    try:
        yield hidden
        let_others_read(hidden)
        os.replace(hidden, target)
    finally:
        hidden.unlink(missing_ok=True)
