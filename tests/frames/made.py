"""Clips of every container and codec that can be written here, and what is true of each: the oracle of media facts."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

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
    """What can be written of `CASES` beside `constant`."""
    rate: int = RATE
    options: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.codec}.{self.suffix}"


TIMED = ("variable", "offset", "audio", "two", "two default")
SHOWN = ("turned", "mirrored")
KINDS = (
    Kind(suffix="mp4", codec="libx264", audio="aac", cases=(*TIMED, *SHOWN, "b", "cover", "cover first", "pixels")),
    Kind(suffix="mov", codec="mpeg4", audio="aac", cases=(*TIMED, *SHOWN, "b", "pixels")),
    Kind(suffix="mov", codec="prores_ks", pix_fmt="yuv422p10le", cases=(*TIMED[:2], *SHOWN)),
    Kind(suffix="mp4", codec="libx265", cases=("variable", "b", "turned", "pixels"), options={"x265-params": "log-level=0"}),
    Kind(suffix="mp4", codec="libsvtav1", cases=("variable", "mirrored"), options={"preset": "12"}),
    Kind(suffix="mp4", codec="libvpx-vp9", cases=("variable", "turned")),
    Kind(suffix="mp4", codec="mjpeg", pix_fmt="yuvj420p", cases=("variable",)),
    Kind(suffix="3gp", codec="h263", size=(176, 144), cases=("variable",)),
    Kind(suffix="mkv", codec="libx264", audio="aac", cases=(*TIMED, *SHOWN, "b", "cover", "pixels")),
    Kind(suffix="mkv", codec="ffv1", cases=TIMED[:2]),
    Kind(suffix="webm", codec="libvpx", audio="libopus", cases=(*TIMED, "pixels")),
    Kind(suffix="webm", codec="libvpx-vp9", audio="libopus", cases=(*TIMED, *SHOWN, "pixels")),
    Kind(suffix="avi", codec="libx264", audio="libmp3lame", cases=("variable", "audio", "two", "b", "pixels")),
    Kind(suffix="avi", codec="mpeg4", audio="libmp3lame", cases=("variable", "audio", "two", "b")),
    Kind(suffix="avi", codec="mjpeg", pix_fmt="yuvj420p", cases=("variable",)),
    Kind(suffix="ts", codec="libx264", audio="aac", cases=(*TIMED[:4], "b", "pixels")),
    Kind(suffix="ts", codec="mpeg2video", audio="mp2", rate=25, cases=(*TIMED[:4], "b", "pixels")),
    Kind(suffix="m2ts", codec="libx264", audio="aac", cases=("variable", "offset", "b")),
    Kind(suffix="mpg", codec="mpeg2video", audio="mp2", rate=25, cases=("variable", "offset", "audio", "b")),
    Kind(suffix="mpg", codec="mpeg1video", audio="mp2", rate=25, cases=("audio", "b")),
    Kind(suffix="flv", codec="flv", audio="libmp3lame", cases=("variable", "offset", "audio")),
    Kind(suffix="flv", codec="libx264", audio="aac", cases=("variable", "offset", "audio", "b", "pixels")),
    Kind(suffix="ogv", codec="libvpx", audio="libopus", cases=("variable", "audio")),
    Kind(suffix="gif", codec="gif", pix_fmt="rgb8", cases=("variable",)),
    Kind(suffix="apng", codec="apng", pix_fmt="rgb24", cases=("variable",)),
    Kind(suffix="wmv", codec="wmv2", audio="mp2", cases=("variable", "audio")),
    Kind(suffix="nut", codec="mpeg4", audio="mp2", cases=("variable", "offset", "audio", "b")),
    Kind(suffix="mxf", codec="mpeg2video", rate=25, cases=("b",)),
    Kind(suffix="dv", codec="dvvideo", size=(720, 576), rate=25),
    Kind(suffix="h264", codec="libx264", cases=("b", "pixels")),
    Kind(suffix="hevc", codec="libx265", cases=("b",), options={"x265-params": "log-level=0"}),
    Kind(suffix="m2v", codec="mpeg2video", rate=25, cases=("b",)),
    Kind(suffix="m4v", codec="mpeg4"),
    Kind(suffix="mjpeg", codec="mjpeg", pix_fmt="yuvj420p", rate=25),
    Kind(suffix="ivf", codec="libvpx-vp9", cases=("variable",)),
    Kind(suffix="ivf", codec="libsvtav1", options={"preset": "12"}),
    Kind(suffix="obu", codec="libsvtav1", options={"preset": "12"}, rate=25),
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


def make(folder: Path, kind: Kind, case: str = "constant") -> Made:
    """Write a clip of this kind."""
    path = folder / f"{kind.codec}-{case.replace(' ', '-')}.{kind.suffix}"
    places = UNEVEN if case == "variable" else tuple(range(COUNT))
    start = LATE_S * kind.rate if case == "offset" else 0
    options: Any = {"avoid_negative_ts": "disabled"} if case == "offset" else {}
    with av.open(str(path), "w", options=options) as container:
        streams = []
        if case == "two":  # a smaller one before it
            streams.append(_stream(container, kind, case, (kind.size[0] // 2 // 16 * 16, kind.size[1] // 2)))
        video = _stream(container, kind, case, kind.size)
        streams.append(video)
        for stream in streams if len(streams) > 1 else ():
            stream.disposition = av.stream.Disposition.default
        if case == "two default":  # a larger one after it, which is not the default
            streams.append(_stream(container, kind, case, (kind.size[0] * 2, kind.size[1] * 2)))
            video.disposition = av.stream.Disposition.default
        if case in ("cover", "cover first"):
            cover = cv2.imencode(".jpg", np.zeros((200, 200, 3), np.uint8))[1].tobytes()
            if kind.suffix == "mkv":
                container.add_attachment("cover.jpg", "image/jpeg", cover)
            else:
                art = container.add_stream("mjpeg", rate=1)
                art.width, art.height, art.pix_fmt = 200, 200, "yuvj420p"
                art.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream(kind.audio, rate=44100 if kind.audio != "libopus" else 48000) if case == "audio" else None
        container.start_encoding()
        if case == "cover" and kind.suffix != "mkv":
            packet = av.Packet(cover)
            packet.stream, packet.pts, packet.dts = art, 0, 0
            container.mux(packet)
        for number, place in enumerate(places):
            for stream in streams:
                size = (stream.width, stream.height)
                rgb = picture(number, size) if stream is video else picture(15 - number, size)
                if case == "turned":
                    rgb = np.ascontiguousarray(np.rot90(rgb, -1))
                if case == "mirrored":
                    rgb = np.ascontiguousarray(rgb[::-1])
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                frame.pts, frame.time_base = start + place, Fraction(1, kind.rate)
                container.mux(stream.encode(frame))
        if sound is not None:
            _silence(container, sound, 3 * COUNT / kind.rate)
        for stream in streams:
            container.mux(stream.encode())
    return Made(path=path, kind=kind, case=case, times=tuple(place / kind.rate for place in places))


def _stream(container: Any, kind: Kind, case: str, size: tuple[int, int]) -> Any:
    options = dict(kind.options)
    if kind.codec == "libx264":
        options |= {"preset": "ultrafast", "x264-params": "threads=1"}
    if kind.codec == "libx265":
        options |= {"preset": "ultrafast"}
    if kind.codec in ("libvpx", "libvpx-vp9"):
        options |= {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    has_b = case in ("b", "offset", "audio") and "b" in kind.cases
    options["bf"] = "2" if has_b else "0"
    if kind.codec not in ("libx264", "libx265", "mpeg4", "mpeg2video", "mpeg1video"):
        options.pop("bf")
    if kind.codec == "libx264" and has_b:
        options["b_strategy"] = "0"
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


def _silence(container: Any, stream: Any, seconds: float) -> None:
    rate = stream.codec_context.sample_rate
    layout = stream.codec_context.layout.name
    size = stream.codec_context.frame_size or 1024
    for at in range(0, int(seconds * rate), size):
        form = stream.codec_context.format.name
        planar = form.endswith("p")
        kind = {"flt": np.float32, "s16": np.int16, "s32": np.int32}[form.rstrip("p")]
        channels = len(stream.codec_context.layout.channels)
        shape = (channels, size) if planar else (1, channels * size)
        frame = av.AudioFrame.from_ndarray(np.zeros(shape, kind), format=form, layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
