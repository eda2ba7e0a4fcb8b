"""Encoding the frames of one clip into one or several files while they are decoded once."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from hfv_builder.frames.encode import TICKS, H264Writer, h264_writer
from hfv_builder.frames.facts import probe
from hfv_builder.frames.media import ffmpeg_errors
from hfv_builder.frames.video import Frame, frames
from hfv_builder.records import ClipError
from hfv_builder.release.encoding import Encoding, Uniform
from hfv_builder.release.operations import Operations, apply_all
from hfv_builder.release.uniform import uniform_frames

UNTIMED_FPS = 25
"""The rate of clips that have none."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file to make."""

    path: Path
    encoding: Encoding
    operations: Operations = ()
    """What is done to each frame before."""


def encode(source: Path, outputs: Sequence[Output], uniform: Uniform | None = None) -> None:
    """Decode a clip once and encode all outputs as H.264, each frame at its own time.

    Args:
        uniform: take the frames that it says, at its rate.

    Raises:
        ClipError: it cannot be decoded or encoded, its frames differ in size, or it cannot be made uniform.
        OSError: a file cannot be written.
    """
    with ffmpeg_errors("FFmpeg cannot encode it", but=OSError):  # those of disks
        if uniform is None:
            fps = Fraction(probe(source).fps or UNTIMED_FPS).limit_denominator(1001)
            write(_timed(source, float(fps)), outputs, fps=fps, timed=True)
        else:
            write(uniform_frames(source, uniform), outputs, fps=uniform.fps)


def write(shown: Iterable[Frame], outputs: Sequence[Output], *, fps: int | Fraction, timed: bool = False) -> None:
    """Encode all outputs from frames, at a constant rate or each at its own time.

    Files appear under their names when all of them are whole.

    Raises:
        ClipError: the frames differ in size.
    """
    writers: list[H264Writer] = []
    size: tuple[int, ...] = ()
    with contextlib.ExitStack() as stack:
        for frame in shown:
            images = apply_all(frame.rgb, {output.operations for output in outputs})
            if not writers:
                size = frame.rgb.shape
                for output in outputs:
                    height, width = images[output.operations].shape[:2]
                    opened = h264_writer(
                        output.path,
                        width=width,
                        height=height,
                        fps=fps,
                        quantiser=output.encoding.quantiser,
                        preset=output.encoding.preset,
                        timed=timed,
                        shape=frame.shape,
                    )
                    writers.append(stack.enter_context(opened))
            elif frame.rgb.shape != size:
                raise ClipError(f"frame {frame.index} is not of the size of the frames before it")
            for writer, output in zip(writers, outputs, strict=True):
                writer.add(images[output.operations], frame.time_s if timed else None)


def _timed(source: Path, fps: float) -> Iterator[Frame]:
    """Yield the frames with strictly increasing times from 0."""
    time_s = 0.0
    for number, frame in enumerate(frames(source)):
        own = number / fps if math.isnan(frame.time_s) else frame.time_s
        time_s = max(own, time_s + 1 / TICKS) if number else 0.0
        yield replace(frame, time_s=time_s)
