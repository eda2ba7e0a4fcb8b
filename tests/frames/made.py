"""Clips of every container and codec that can be written here, and what is true of each: the oracle of media facts."""

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
"""Frames of a clip."""
RATE = 20
"""Frames per second."""
LATE_S = 100
"""Seconds at which a clip with an offset begins."""
UNEVEN = (0, 1, 2, 3, 5, 6, 7, 11, 12, 13, 14, 18, 19, 20)
"""Frame times of a clip of variable rate, in 1/RATE seconds."""
SQUEEZE = Fraction(2, 1)
"""Width over height of pixels that are not square."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A container with a codec, and what it can hold."""

    suffix: str
    codec: str
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    """Width and height."""
    audio: str | None = None
    """Codec of sound; None where the container has none."""
    cases: tuple[str, ...] = ()
    """What can be written beside `constant`."""
    rate: int = RATE
    shape: float = 1.0
    """Width of its pixels over their height."""

    @property
    def name(self) -> str:
        """What tests call it."""
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
"""Cases with B-frames, of kinds that have any."""
TIMED = ("variable", "offset", "audio", "two", "two default")
SHOWN = ("turned", "mirrored")
KINDS = (
    Kind(suffix="mp4", codec="libx264", audio="aac", cases=(*TIMED, *SHOWN, "b", "cover", "pixels")),
    Kind(suffix="mov", codec="mpeg4", audio="aac", cases=(*TIMED, *SHOWN, "b", "pixels")),
    Kind(suffix="mov", codec="prores_ks", pix_fmt="yuv422p10le", cases=(*TIMED[:2], *SHOWN)),
    Kind(suffix="mp4", codec="libx265", cases=("variable", "b", "turned", "pixels")),
    Kind(suffix="mp4", codec="libsvtav1", cases=("variable", "mirrored")),
    Kind(suffix="avif", codec="libsvtav1", cases=("variable",)),
    Kind(suffix="mp4", codec="libvpx-vp9", cases=("variable", "turned")),
    Kind(suffix="mp4", codec="mjpeg", pix_fmt="yuvj420p", cases=("variable",)),
    Kind(suffix="3gp", codec="h263", size=(176, 144), shape=12 / 11, cases=("variable",)),
    Kind(suffix="mkv", codec="libx264", audio="aac", cases=(*TIMED, *SHOWN, "b", "cover", "pixels")),
    Kind(suffix="mkv", codec="ffv1", cases=TIMED[:2]),
    Kind(suffix="webm", codec="libvpx", audio="libopus", cases=TIMED),
    Kind(suffix="webm", codec="libvpx-vp9", audio="libopus", cases=(*TIMED, *SHOWN)),
    Kind(suffix="avi", codec="libx264", audio="libmp3lame", cases=("audio", "two", "b", "pixels")),
    Kind(suffix="avi", codec="mpeg4", audio="libmp3lame", cases=("variable", "audio", "two", "b")),
    Kind(suffix="avi", codec="mjpeg", pix_fmt="yuvj420p", cases=("variable",)),
    Kind(suffix="ts", codec="libx264", audio="aac", cases=(*TIMED[:4], "b", "pixels")),
    Kind(suffix="ts", codec="mpeg2video", audio="mp2", rate=25, cases=(*TIMED[:4], "b")),
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
class Made:
    """A clip as written."""

    path: Path
    kind: Kind
    case: str
    times: tuple[float, ...]
    """Seconds of each frame from the first."""


def picture(number: int, size: tuple[int, int]) -> Rgb:
    """A frame that shows its number as four black or white fields, with a darker field in its top left corner."""
    width, height = size
    rgb = np.full((height, width, 3), 128, np.uint8)
    rgb[: height // 2, : width // 4] = (64, 64, 64)
    for bit in range(4):
        left = bit * width // 4
        rgb[height // 2 :, left : left + width // 4] = 255 if number >> bit & 1 else 0
    return rgb


def number_of(rgb: Rgb) -> int:
    """The number that an upright frame of any size shows."""
    height, width = rgb.shape[:2]
    row = rgb[height * 3 // 4].mean(axis=1)
    return sum(1 << bit for bit in range(4) if row[bit * width // 4 + width // 8] > 128)


@contextmanager
def same_priority() -> Iterator[None]:
    """Keep the scheduling of this process: SVT-AV1 makes it a real-time one if it may, which starves all others."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


@same_priority()
def make(folder: Path, kind: Kind, case: str = "constant") -> Made:
    """Write a clip of this kind."""
    path = folder / f"{kind.codec}-{case.replace(' ', '-')}.{kind.suffix}"
    places = UNEVEN if case == "variable" else tuple(range(COUNT))
    start = LATE_S * kind.rate if case == "offset" else 0
    width, height = kind.size
    options: Any = {"avoid_negative_ts": "disabled"} if case == "offset" else {}
    with av.open(str(path), "w", options=options) as container:
        streams = []
        if case == "two":  # a smaller one before it, which is a default as well
            streams.append(_video(container, kind, case, (width // 2, height // 2)))
        clip = _video(container, kind, case, kind.size)
        streams.append(clip)
        if case == "two default":  # a larger one after it, which is no default
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
        for number, place in enumerate(places):
            for stream in streams:
                size = (stream.width, stream.height)
                shown = picture(number if stream is clip else 15 - number, size[::-1] if case == "turned" else size)
                frame = av.VideoFrame.from_ndarray(_stored(shown, case), format="rgb24")
                frame.pts, frame.time_base = start + place, Fraction(1, kind.rate)
                container.mux(stream.encode(frame))
        if sound is not None:
            _silence(container, sound, 3 * COUNT / kind.rate)
        for stream in streams:
            container.mux(stream.encode())
    return Made(path=path, kind=kind, case=case, times=tuple(place / kind.rate for place in places))


def _stored(shown: Rgb, case: str) -> Rgb:
    """The frame as it is stored, so that it is shown like this."""
    if case == "turned":
        return np.ascontiguousarray(np.rot90(shown, -1))
    return np.ascontiguousarray(shown[::-1] if case == "mirrored" else shown)


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
        stream.codec_context.sample_aspect_ratio = SQUEEZE
    if case == "turned":
        stream.set_display_rotation(90)
    if case == "mirrored":
        stream.set_display_matrix([65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30])
    return stream


def _cover(container: Any, kind: Kind) -> Any:
    """Attach a large picture; for containers that take it as a packet, that packet."""
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
    size, form, channels = context.frame_size or 1024, context.format.name, len(context.layout.channels)
    dtype = {"flt": np.float32, "s16": np.int16, "s32": np.int32}[form.rstrip("p")]
    shape = (channels, size) if form.endswith("p") else (1, channels * size)
    for at in range(0, int(seconds * context.sample_rate), size):
        frame = av.AudioFrame.from_ndarray(np.zeros(shape, dtype), format=form, layout=context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = context.sample_rate, at, Fraction(1, context.sample_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
