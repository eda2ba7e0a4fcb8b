"""One pass of FFmpeg over a video stream, which goes on after units that cannot be decoded."""

import contextlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


class Decoding:
    """Gives the frames that can be decoded; afterwards it knows how many there should have been.

    What the stream should show is counted from its packets and, where the file ends before its index does, from the
    index. A declared number of frames counts for nothing.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        """Nothing is read yet."""
        self._container, self._stream = container, stream
        self._times: list[int] = []
        """Presentation times of the packets so far, sorted."""
        self._timed = True
        """Whether every packet so far has a time of its own."""
        self._packets = 0
        self.decoded = 0
        """Frames so far."""
        self.damaged = 0
        """Those of them that the decoder marks as corrupt: it fills in what it cannot read."""
        self.reason: str | None = None
        """Of the first error."""

    @property
    def missing(self) -> int:
        """Frames that should have come by the end of the stream and have not; 0 if nothing is amiss."""
        indexed = sum(1 for entry in self._stream.index_entries if entry.size and not entry.is_discard)
        if self.reason is None and indexed <= self._packets:
            return 0  # some streams show fewer frames than they have packets, such as fields
        return max(0, max(indexed, self._packets) - self.decoded)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Frames in presentation order, each with its number in the clip; numbers of missing frames are left out."""
        import av

        number = 0
        for packet in self._demuxed():
            try:
                found = self._stream.codec_context.decode(packet)
            except av.error.FFmpegError as error:
                self._blame(error)
                number += not self._timed
                continue
            for frame in found:
                if self.reason is not None and self._timed and frame.pts is not None:
                    number = max(number, bisect_left(self._times, frame.pts))
                yield number, frame
                number += 1
                self.decoded += 1
                self.damaged += bool(frame.is_corrupt)

    def _demuxed(self) -> Iterator[Any]:
        """The packets up to the first that cannot be read."""
        import av

        try:
            for packet in self._container.demux(self._stream):
                if is_shown(packet, self._stream.codec_context.name):
                    self._packets += 1
                    self._note(packet.pts)
                yield packet
        except av.error.FFmpegError as error:
            self._blame(error)
            yield None  # what the decoder still holds

    def _note(self, time: int | None) -> None:
        if time is None:
            self._timed = False
            return
        at = bisect_left(self._times, time)
        self._timed &= self._times[at : at + 1] != [time]
        self._times.insert(at, time)

    def _blame(self, error: Any) -> None:
        self.reason = self.reason or (error.strerror or str(error)).lower()


def presentation_times(container: Any, stream: Any) -> npt.NDArray[np.float64]:
    """When each frame is shown that the packets promise, read without decoding.

    Without times of their own the frames of a stream of known rate are taken for evenly spaced.

    Returns:
        (n,) seconds from the first, ascending; NaN if nothing is known.
    """
    import av

    ticks: list[int | None] = []
    with contextlib.suppress(av.error.FFmpegError):  # the packets before it count
        for packet in container.demux(stream):
            if is_shown(packet, stream.codec_context.name):
                ticks.append(packet.pts)
    known = [tick for tick in ticks if tick is not None]
    if len(set(known)) == len(ticks):
        return (np.sort(np.array(known, np.float64)) - min(known, default=0)) * float(stream.time_base or 1)
    rate = stream.average_rate or stream.guessed_rate
    return np.arange(len(ticks)) / float(rate) if rate else np.full(len(ticks), np.nan)


def is_shown(packet: Any, codec: str) -> bool:
    """Whether a packet stands for a frame of its own: it has content, and is meant to be seen.

    Packets before the start of an edit list are only decoded; VP8 and VP9 have some that only help to decode others.
    """
    if not packet.size or packet.is_discard:
        return False
    if "vp8" in codec:
        return bool(bytes(packet)[0] >> 4 & 1)
    if "vp9" in codec:
        data = bytes(packet)
        head = data[0]
        if data[-1] >> 5 == 0b110:  # a superframe ends in its own marker, and in a frame that is shown
            return True
        at = 3 if head >> 4 & 0b11 == 0b11 else 4  # profile 3 has a reserved bit more
        return bool(head >> at - 1 & 1 or head >> at - 3 & 1)
    return True
