"""Read the facts of a clip from its packets and its first frame: size, rate, length, codec.

All code takes the facts from here. Declared values are used only if the packets agree with them.
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
    """The facts of a clip; unknown ones are None."""

    width: int
    """Stored pixels of a frame after its display matrix was applied; not scaled to square pixels."""
    height: int
    fps: float | None
    """Mean frames per second of the clip."""
    num_frames: int
    """Number of frames by the packets; decoding a damaged clip may give fewer."""
    duration_s: float | None
    """Seconds from the start of the first frame to the end of the last."""
    codec: str
    pix_fmt: str
    rotation: int
    """Degrees by which a decoded frame is rotated counter-clockwise, after mirroring if any: 0, 90, 180 or 270."""
    bit_rate: int | None
    """Bits per second of the video stream."""
    remarks: tuple[str, ...] = ()
    """Anomalies of the file and how they were handled, as clauses."""


def probe(path: Path) -> Probe:
    """Return the facts of a clip. Decodes only the first frame, to check that it can be decoded.

    Raises:
        ClipError: the file is not a video, cannot be decoded, or exceeds the limits, see `limits`.
    """
    with open_stream(path, quick=True) as (container, stream):
        decoding = Decoding(container, stream)
        frame = decoding.first()
        timeline = _timeline(decoding)
        transform = transform_of(frame)
        turned = (transform or AS_IT_IS).turns % 2
        width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        check_length(len(timeline), width, height)
        context, is_webp = stream.codec_context, webp.is_webp(path)  # FFmpeg reads a converted stream then
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
    """Return the presentation times of all frames of a clip; decodes only the first, since a cut clip may start later.

    Raises:
        ClipError: the file is not a video, or no frame can be decoded.
    """
    with open_stream(path, quick=True) as (container, stream):
        decoding = Decoding(container, stream)
        decoding.first()
        return _timeline(decoding)


def is_plain(path: Path) -> bool:
    """Return whether every player shows the clip by its facts: one video stream, no transform, no jumps in its times.

    Raises:
        ClipError: the file is not a video.
    """
    with open_stream(path, quick=True) as (container, stream):
        if len(container.streams.video) > 1:
            return False
        decoding = Decoding(container, stream)
        transform = transform_of(decoding.first())
        decoding.packets.read_all()
        return transform == AS_IT_IS and not decoding.packets.timeline().jumps and not decoding.lead


def _timeline(decoding: Decoding) -> Timeline:
    """Return the timeline from the first decoded frame on; reads all packets."""
    decoding.packets.read_all()
    return decoding.packets.timeline().after(decoding.lead)


def _rate(stream: Any, timeline: Timeline) -> float | None:
    """Return the frames per second: the declared rate if the times of the frames agree, else the measured one."""
    declared = stream.average_rate or stream.guessed_rate
    count, measured = len(timeline), timeline.duration_s
    if not measured > 0 or math.isinf(measured):
        return None
    if declared and agree(float(count / declared), measured, slack=_tick(stream)):
        return float(declared)
    return count / measured


def _duration(stream: Any, timeline: Timeline) -> float | None:
    """Return the seconds: the declared duration if the times of the frames agree, else the measured one."""
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
    """Return the rounding error of times in the container, in seconds."""
    return float(stream.time_base or 0)


def _remarks(stream: Any, packets: Packets, timeline: Timeline, transform: Transform | None) -> list[str]:
    remarks = []
    if timeline.jumps:
        jumps = ", ".join(map(str, timeline.jumps[:5])) + (", …" if len(timeline.jumps) > 5 else "")
        remarks.append(f"its timestamps jump before frame {jumps}; the gaps are replaced by the frame interval")
    if transform is None:
        remarks.append("its display matrix is not axis-aligned and is ignored")
    if stream.sample_aspect_ratio and pixel_shape(stream) != float(stream.sample_aspect_ratio):
        remarks.append(f"its pixel aspect ratio {stream.sample_aspect_ratio} is invalid and is ignored")
    declared_s = stream.frames / float(stream.average_rate) if stream.average_rate else None
    # AVI also counts repeated frames, which have no packet; the declared length is right then.
    if stream.frames > packets.total and not agree(declared_s, timeline.duration_s):
        remarks.append(f"it declares {stream.frames} frames and has {len(packets)}")
    return remarks
