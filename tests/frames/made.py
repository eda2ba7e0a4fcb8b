"""Clips in every container and codec that PyAV can write, with their true sizes, rates and times."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

Rgb = npt.NDArray[np.uint8]

COUNT = 14
"""Number of frames of a clip."""
RATE = 20
"""Frames per second."""
OFFSET_S = 100
"""Time of the first frame of a clip with an offset, in seconds."""
UNEVEN = (0, 1, 2, 3, 5, 6, 7, 11, 12, 13, 14, 18, 19, 20)
"""Frame times of a clip of variable rate, in 1/RATE seconds."""
PIXEL_SHAPE = Fraction(2, 1)
"""Width over height of pixels that are not square."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A container with a codec, and the cases that it can hold."""

    suffix: str
    codec: str
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    """Width and height."""
    audio: str | None = None
    """Codec of the audio; None if no audio is written."""
    cases: tuple[str, ...] = ()
    """Cases that can be written beside `constant`."""
    rate: int = RATE
    shape: float = 1.0
    """Width over height of its pixels."""

    @property
    def name(self) -> str:
        """Return its name in the ids of tests."""
        return f"{self.codec}.{self.suffix}"


X264 = {"preset": "ultrafast", "x264-params": "threads=1"}
VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
CODEC_OPTIONS = {
    "libx264": X264,
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=0"},
    "libvpx": VPX,
    "libvpx-vp9": VPX,
    "libsvtav1": {"preset": "8", "crf": "5"},
}
REORDERED = ("b", "offset", "audio")
"""Cases with B-frames, if the kind has the case `b`."""
TIMING_CASES = ("variable", "offset", "audio", "two", "two default")
DISPLAY_CASES = ("turned", "mirrored")
KINDS = (
    Kind(suffix="mp4", codec="libx264", audio="aac", cases=(*TIMING_CASES, *DISPLAY_CASES, "b", "cover", "pixels")),
    Kind(suffix="mov", codec="mpeg4", audio="aac", cases=(*TIMING_CASES, *DISPLAY_CASES, "b", "pixels")),
    Kind(suffix="mov", codec="prores_ks", pix_fmt="yuv422p10le", cases=(*TIMING_CASES[:2], *DISPLAY_CASES)),
    Kind(suffix="mp4", codec="libx265", cases=("variable", "b", "turned", "pixels")),
    Kind(suffix="mp4", codec="libsvtav1", cases=("variable", "mirrored")),
    Kind(suffix="avif", codec="libsvtav1", cases=("variable",)),
    Kind(suffix="mp4", codec="libvpx-vp9", cases=("variable", "turned")),
    Kind(suffix="mp4", codec="mjpeg", pix_fmt="yuvj420p", cases=("variable",)),
    Kind(suffix="3gp", codec="h263", size=(176, 144), shape=12 / 11, cases=("variable",)),
    Kind(suffix="mkv", codec="libx264", audio="aac", cases=(*TIMING_CASES, *DISPLAY_CASES, "b", "cover", "pixels")),
    Kind(suffix="mkv", codec="ffv1", cases=TIMING_CASES[:2]),
    Kind(suffix="webm", codec="libvpx", audio="libopus", cases=TIMING_CASES),
    Kind(suffix="webm", codec="libvpx-vp9", audio="libopus", cases=(*TIMING_CASES, *DISPLAY_CASES)),
    Kind(suffix="avi", codec="libx264", audio="libmp3lame", cases=("audio", "two", "b", "pixels")),
    Kind(suffix="avi", codec="mpeg4", audio="libmp3lame", cases=("variable", "audio", "two", "b")),
    Kind(suffix="avi", codec="mjpeg", pix_fmt="yuvj420p", cases=("variable",)),
    Kind(suffix="ts", codec="libx264", audio="aac", cases=(*TIMING_CASES[:4], "b", "pixels")),
    Kind(suffix="ts", codec="mpeg2video", audio="mp2", rate=25, cases=(*TIMING_CASES[:4], "b")),
    Kind(suffix="m2ts", codec="libx264", audio="aac", cases=("variable", "offset", "b")),
    Kind(suffix="mpg", codec="mpeg2video", audio="mp2", rate=25, cases=("offset", "audio", "b")),
    Kind(suffix="mpg", codec="mpeg1video", audio="mp2", rate=25, cases=("audio", "b")),
    Kind(suffix="flv", codec="flv", audio="libmp3lame", cases=("variable", "offset", "audio")),
    Kind(suffix="flv", codec="libx264", audio="aac", cases=("variable", "offset", "audio", "b", "pixels")),
    Kind(suffix="ogv", codec="libvpx", audio="libopus", cases=("audio",)),
    Kind(suffix="gif", codec="gif", pix_fmt="rgb8", cases=("variable",)),
    Kind(suffix="apng", codec="apng", pix_fmt="rgb24", cases=("variable",)),
    Kind(suffix="wmv", codec="wmv2", audio="mp2", cases=("variable", "audio")),
    Kind(suffix="nut", codec="mpeg4", audio="mp2", cases=("variable", "offset", "audio", "b")),
    Kind(suffix="mxf", codec="mpeg2video", rate=25, cases=("b",)),
    Kind(suffix="dv", codec="dvvideo", size=(720, 576), rate=25, shape=16 / 15),
    Kind(suffix="h264", codec="libx264", cases=("b", "pixels")),
    Kind(suffix="hevc", codec="libx265", cases=("b",)),
    Kind(suffix="m2v", codec="mpeg2video", rate=25, cases=("b",)),
    Kind(suffix="m4v", codec="mpeg4"),
    Kind(suffix="mjpeg", codec="mjpeg", pix_fmt="yuvj420p", rate=25),
    Kind(suffix="ivf", codec="libvpx-vp9", cases=("variable",)),
    Kind(suffix="ivf", codec="libsvtav1"),
    Kind(suffix="obu", codec="libsvtav1", rate=25),
    Kind(suffix="y4m", codec="wrapped_avframe"),
    Kind(suffix="rm", codec="rv20", size=(176, 144)),
    Kind(suffix="swf", codec="flv", size=(176, 144)),
    Kind(suffix="wtv", codec="mpeg2video", rate=25),
)
"""All containers and codecs, with their cases."""


@dataclass(frozen=True, kw_only=True)
class WrittenClip:
    """A clip that was written, with the times of its frames."""

    path: Path
    kind: Kind
    case: str
    times: tuple[float, ...]
    """Time of every frame after the first frame, in seconds."""


def numbered_frame(number: int, size: tuple[int, int]) -> Rgb:
    """Return a frame that shows a number as four black or white fields, with a darker field in its top left corner."""
    width, height = size
    rgb = np.full((height, width, 3), 128, np.uint8)
    rgb[: height // 2, : width // 4] = (64, 64, 64)
    for bit in range(4):
        left = bit * width // 4
        rgb[height // 2 :, left : left + width // 4] = 255 if number >> bit & 1 else 0
    return rgb


def number_of(rgb: Rgb) -> int:
    """Return the number that an upright frame of any size shows."""
    height, width = rgb.shape[:2]
    row = rgb[height * 3 // 4].mean(axis=1)
    return sum(1 << bit for bit in range(4) if row[bit * width // 4 + width // 8] > 128)


@contextmanager
def same_priority() -> Iterator[None]:
    """Restore the scheduling of this process. SVT-AV1 makes it real-time if it may, which starves other processes."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


@same_priority()
def make(folder: Path, kind: Kind, case: str = "constant") -> WrittenClip:
    """Write a clip of a kind and case, and return it."""
    path = folder / f"{kind.codec}-{case.replace(' ', '-')}.{kind.suffix}"
    ticks = UNEVEN if case == "variable" else tuple(range(COUNT))
    start = OFFSET_S * kind.rate if case == "offset" else 0
    width, height = kind.size
    options: Any = {"avoid_negative_ts": "disabled"} if case == "offset" else {}
    with av.open(str(path), "w", options=options) as container:
        streams = []
        if case == "two":  # a smaller stream before the clip, also marked as default
            streams.append(_video(container, kind, case, (width // 2, height // 2)))
        clip = _video(container, kind, case, kind.size)
        streams.append(clip)
        if case == "two default":  # a larger stream after the clip, not marked as default
            streams.append(_video(container, kind, case, (width * 2, height * 2)))
        if len(streams) > 1:
            for stream in streams:
                stream.disposition = Disposition.default
        if case == "two default":
            streams[-1].disposition = Disposition(0)
        cover = _cover(container, kind) if case == "cover" else None
        sound = _sound(container, kind.audio) if kind.audio and case == "audio" else None
        container.start_encoding()
        if cover is not None:
            container.mux(cover)
        for index, tick in enumerate(ticks):
            for stream in streams:
                size = (stream.width, stream.height)
                image = numbered_frame(
                    index if stream is clip else 15 - index, size[::-1] if case == "turned" else size
                )
                frame = av.VideoFrame.from_ndarray(_stored(image, case), format="rgb24")
                frame.pts, frame.time_base = start + tick, Fraction(1, kind.rate)
                container.mux(stream.encode(frame))
        if sound is not None:
            _silence(container, sound, 3 * COUNT / kind.rate)
        for stream in streams:
            container.mux(stream.encode())
    return WrittenClip(path=path, kind=kind, case=case, times=tuple(tick / kind.rate for tick in ticks))


def _stored(displayed: Rgb, case: str) -> Rgb:
    """Return the frame to store so that it is shown as `displayed`."""
    if case == "turned":
        return np.ascontiguousarray(np.rot90(displayed, -1))
    return np.ascontiguousarray(displayed[::-1] if case == "mirrored" else displayed)


def _video(container: Any, kind: Kind, case: str, size: tuple[int, int]) -> Any:
    options = CODEC_OPTIONS.get(kind.codec, {})
    if "b" in kind.cases:
        options = options | {"bf": "2" if case in REORDERED else "0", "b_strategy": "0"}
    stream = container.add_stream(kind.codec, rate=kind.rate, options=options)
    stream.width, stream.height = size[::-1] if case == "turned" else size
    stream.pix_fmt = kind.pix_fmt
    stream.codec_context.time_base = Fraction(1, kind.rate)
    stream.codec_context.thread_count = 1
    if case == "pixels":
        stream.codec_context.sample_aspect_ratio = PIXEL_SHAPE
    if case == "turned":
        stream.set_display_rotation(90)
    if case == "mirrored":
        stream.set_display_matrix([65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30])
    return stream


def _cover(container: Any, kind: Kind) -> Any:
    """Attach a large image; return its packet for containers that store it as a packet, else None."""
    jpeg = cv2.imencode(".jpg", np.zeros((200, 200, 3), np.uint8))[1].tobytes()
    if kind.suffix == "mkv":
        container.add_attachment("cover.jpg", "image/jpeg", jpeg)
        return None
    stream = container.add_stream("mjpeg", rate=1)
    stream.width, stream.height, stream.pix_fmt = 200, 200, "yuvj420p"
    stream.disposition = Disposition.attached_pic
    packet = av.Packet(jpeg)
    packet.stream, packet.pts, packet.dts = stream, 0, 0
    return packet


def _sound(container: Any, codec: str) -> Any:
    return container.add_stream(codec, rate=48000 if codec == "libopus" else 44100)


def _silence(container: Any, stream: Any, seconds: float) -> None:
    context = stream.codec_context
    size, sample_format, channels = context.frame_size or 1024, context.format.name, len(context.layout.channels)
    dtype = {"flt": np.float32, "s16": np.int16, "s32": np.int32}[sample_format.rstrip("p")]
    shape = (channels, size) if sample_format.endswith("p") else (1, channels * size)
    for sample in range(0, int(seconds * context.sample_rate), size):
        frame = av.AudioFrame.from_ndarray(np.zeros(shape, dtype), format=sample_format, layout=context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = context.sample_rate, sample, Fraction(1, context.sample_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
