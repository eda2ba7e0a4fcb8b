"""Count the frames of a video stream and read their times from its packets, without decoding."""

import contextlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np

from hfv_builder.frames.timeline import Stamps, Timeline, rebuild

RESTARTING = {"matroska,webm", "flv", "live_flv", "nut"}
"""Containers in which another recording may follow with restarted times, in addition to those that FFmpeg marks."""
LARGEST_GAP_S = 10
"""Largest number of seconds between two frames of a broadcast container; a longer gap is a jump of the times."""


class Packets:
    """The packets of a stream that were read so far, in the order of the file."""

    def __init__(self, container: Any, stream: Any) -> None:
        """Start without reading.

        Args:
            container: an `av.container.InputContainer`.
            stream: its `av.video.stream.VideoStream`.
        """
        from av.format import Flags

        self._container, self._stream = container, stream
        self._base = float(stream.time_base or 1)
        self._codec = stream.codec_context.name
        self._hides = "vp8" in self._codec or "vp9" in self._codec
        self._stamps: list[tuple[int | None, int | None, int, int]] = []
        self._order: list[tuple[int, int]] = []
        """Sorted pairs of segment and presentation time, of the packets that have one; updated by `_sort`."""
        self._sorted = 0
        """Number of packets in `_order`, including those without a time."""
        self._segment = 0
        self._latest: int | None = None
        """Latest presentation time of this segment so far."""
        self._decoded: int | None = None
        """Decoding time of the previous packet."""
        self._broadcast = bool(container.format.flags & Flags.ts_discont.value)
        self._restarts = self._broadcast or container.format.name in RESTARTING
        self._gap = LARGEST_GAP_S / self._base if self._broadcast else float("inf")
        self.total = 0
        """Number of packets, including those that show no frame."""
        self.bytes = 0
        self._timed = True

    def __len__(self) -> int:
        """Return how many frames the packets show."""
        return len(self._stamps)

    def read(self) -> Iterator[Any]:
        """Yield all packets and record them; also yield the empty packets at the end of the stream.

        Raises:
            av.error.FFmpegError: the next packet cannot be read.
        """
        for packet in self._container.demux(self._stream):
            size = packet.size
            if size:
                self.total += 1
                self.bytes += size
                # Packets before the start of an edit list are decoded, but not shown.
                if not (packet.is_discard or (self._hides and is_hidden(packet, self._codec))):
                    self._record(packet)
            yield packet

    def read_all(self) -> None:
        """Read all remaining packets, up to the first that cannot be read."""
        import av

        with contextlib.suppress(av.error.FFmpegError):
            for _ in self.read():
                pass

    @property
    def timed(self) -> bool:
        """Return whether every packet has a distinct presentation time."""
        self._sort()
        return self._timed

    def place(self, time: int | None, start: int) -> int | None:
        """Return the index of the frame with this presentation time, at least `start`.

        None if no packet has this time, or if not all packets have distinct times.
        """
        if time is None or not self.timed or start >= len(self._order):
            return None
        for segment in range(self._order[start][0], self._segment + 1):
            place = bisect_left(self._order, (segment, time), lo=start)
            if self._order[place : place + 1] == [(segment, time)]:
                return place
        return None

    def timeline(self) -> Timeline:
        """Return the timeline of the frames."""
        columns = np.array(self._stamps, np.float64).reshape(-1, 4).T  # None becomes NaN
        shown, decoded, lasting = columns[:3] * self._base
        rate = self._stream.guessed_rate or self._stream.average_rate
        stamps = Stamps(shown=shown, decoded=decoded, lasting=lasting, segment=columns[3].astype(np.int64))
        return rebuild(stamps, float(rate) if rate else None)

    def indexed(self) -> int:
        """Return the number of frames in the index of the file, which is larger than their number if truncated."""
        return sum(1 for entry in self._stream.index_entries if entry.size and not entry.is_discard)

    def _record(self, packet: Any) -> None:
        shown, decoded = packet.pts, packet.dts
        if self._restarts:
            self._segment += self._jumps(shown, decoded, starts=packet.is_keyframe)
        self._stamps.append((shown, decoded, packet.duration or 0, self._segment))

    def _sort(self) -> None:
        """Insert the packets that were read since the last call into the sorted order."""
        for shown, _, _, segment in self._stamps[self._sorted :]:
            if shown is None:
                self._timed = False
                continue
            key = (segment, shown)
            place = bisect_left(self._order, key)
            self._timed &= self._order[place : place + 1] != [key]
            self._order.insert(place, key)
        self._sorted = len(self._stamps)

    def _jumps(self, shown: int | None, decoded: int | None, *, starts: bool) -> bool:
        """Return whether the times jump before a packet: a key frame is never shown before earlier packets."""
        before, self._decoded = self._decoded, self._decoded if decoded is None else decoded
        if shown is None:
            return False
        latest, self._latest = self._latest, shown
        if latest is None:
            return False
        if shown >= latest:
            return shown - latest > self._gap
        back = decoded is not None and before is not None and decoded < before
        if starts or (self._broadcast and back):  # other containers may store no decoding times
            return True
        self._latest = latest
        return False


def is_hidden(packet: Any, codec: str) -> bool:
    """Return whether a packet of VP8 or VP9 is a reference frame that is not shown."""
    data = bytes(packet)
    head = data[0]
    if "vp8" in codec:
        return not head >> 4 & 1
    if data[-1] >> 5 == 0b110:  # a superframe ends with this marker and contains a shown frame
        return False
    bit = 3 if head >> 4 & 0b11 == 0b11 else 4  # profile 3 has one more reserved bit
    return not (head >> bit - 1 & 1 or head >> bit - 3 & 1)
