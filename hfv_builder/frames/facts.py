"""The facts of a clip, read from its packets and its first frame: size, rate, length, codec. Nothing else decides them.

What a file declares counts only where its packets agree.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hfv_builder.frames import webp
from hfv_builder.frames.decoding import Decoding
from hfv_builder.frames.display import AS_IT_IS, Transform, pixel_shape, transform_of
from hfv_builder.frames.limits import check_length
from hfv_builder.frames.packets import Packets
from hfv_builder.frames.stream import open_stream
from hfv_builder.frames.timeline import Timeline, agree


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The facts of a clip. None where nothing is known."""

    width: int
    """Pixels of a frame as it is shown, after its display matrix and as they are stored: not stretched to a square."""
    height: int
    fps: float | None
    """Frames per second, the mean over the clip."""
    num_frames: int
    """Frames that the packets promise to show; decoding a damaged clip may give fewer."""
    duration_s: float | None
    """Seconds from the start of the first frame to the end of the last."""
    codec: str
    pix_fmt: str
    rotation: int
    """Degrees counter-clockwise by which a decoded frame is turned, after mirroring if any: 0, 90, 180 or 270."""
    bit_rate: int | None
    """Bits per second of the video stream."""
    remarks: tuple[str, ...] = ()
    """What is odd about the file and how it was settled, one clause each."""


def probe(path: Path) -> Probe:
    """Read the facts of a clip; of its frames only the first is decoded, to see that it can be.

    Raises:
        ClipError: it is no video, cannot be decoded, or is larger than what is read of one clip.
    """
    with open_stream(path, quick=True) as (container, stream):
        decoding = Decoding(container, stream)
        frame = decoding.first()
        decoding.packets.read_all()
        transform = transform_of(frame)
        turned = (transform or AS_IT_IS).turns % 2
        width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        timeline = decoding.packets.timeline().after(decoding.lead)
        check_length(len(timeline), width, height)
        context, is_webp = stream.codec_context, webp.is_webp(path)  # then FFmpeg reads another stream instead
        return Probe(
            width=width,
            height=height,
            fps=_rate(stream, timeline),
            num_frames=max(1, len(timeline)),
            duration_s=_duration(stream, timeline),
            codec=webp.CODEC if is_webp else context.codec.canonical_name if context.codec else context.name,
            pix_fmt=frame.format.name,
            rotation=90 * (transform or AS_IT_IS).turns,
            bit_rate=_bit_rate(stream, path.stat().st_size if is_webp else decoding.packets.bytes, timeline),
            remarks=tuple(_remarks(stream, decoding.packets, timeline, transform)),
        )


def read_timeline(path: Path) -> Timeline:
    """Return when each frame of a clip is shown, without decoding it.

    Raises:
        ClipError: it is no video.
    """
    with open_stream(path, quick=True) as (container, stream):
        packets = Packets(container, stream)
        packets.read_all()
        return packets.timeline()


def is_plain(path: Path) -> bool:
    """Return whether every player shows the clip as its facts say: one video, unmirrored, whose clock does not jump.

    Raises:
        ClipError: it is no video.
    """
    with open_stream(path, quick=True) as (container, stream):
        if len(container.streams.video) > 1:
            return False
        decoding = Decoding(container, stream)
        transform = transform_of(decoding.first())
        decoding.packets.read_all()
        return transform == AS_IT_IS and not decoding.packets.timeline().jumps and not decoding.lead


def _rate(stream: Any, timeline: Timeline) -> float | None:
    """Frames per second: as declared, if that is what the times of the frames say."""
    declared = stream.average_rate or stream.guessed_rate
    count, measured = len(timeline), timeline.duration_s
    if not measured > 0 or math.isinf(measured):
        return None
    if declared and agree(float(count / declared), measured, slack=_tick(stream)):
        return float(declared)
    return count / measured


def _duration(stream: Any, timeline: Timeline) -> float | None:
    """Seconds: as the stream declares, if that is what the times of the frames say."""
    declared = None if stream.duration is None else float(stream.duration * (stream.time_base or 1))
    measured = timeline.duration_s
    if not np.isfinite(measured):
        return None
    return declared if declared and agree(declared, measured, slack=_tick(stream)) else measured


def _bit_rate(stream: Any, size: int, timeline: Timeline) -> int | None:
    measured = 8 * size / timeline.duration_s if timeline.duration_s > 0 else math.nan
    if not math.isfinite(measured):
        return None
    return int(stream.bit_rate) if agree(stream.bit_rate, measured) else round(measured)


def _tick(stream: Any) -> float:
    """By how much times may be off that the container rounds, in seconds."""
    return float(stream.time_base or 0)


def _remarks(stream: Any, packets: Packets, timeline: Timeline, transform: Transform | None) -> list[str]:
    remarks = []
    if timeline.jumps:
        places = ", ".join(map(str, timeline.jumps[:5])) + (", …" if len(timeline.jumps) > 5 else "")
        remarks.append(f"its timestamps jump before frame {places}; the gaps are closed with the frame interval")
    if transform is None:
        remarks.append("its display matrix is no axis-aligned transform and is ignored")
    if stream.sample_aspect_ratio and pixel_shape(stream) != float(stream.sample_aspect_ratio):
        remarks.append(f"its pixel shape {stream.sample_aspect_ratio} is not possible and is ignored")
    declared_s = stream.frames / float(stream.average_rate) if stream.average_rate else None
    # AVI counts the frames that it only repeats as well: then the length is right.
    if stream.frames > packets.total and not agree(declared_s, timeline.duration_s):
        remarks.append(f"it declares {stream.frames} frames and holds {len(packets)}")
    return remarks
