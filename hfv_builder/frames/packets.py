"""What the packets of a video stream tell without being decoded: how many frames they show, and when."""

import contextlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np

from hfv_builder.frames.timeline import Stamps, Timeline, rebuild

RESTARTING = {"matroska,webm", "flv", "live_flv", "nut"}
"""Containers in which a second recording may follow the first with a clock of its own, beside those FFmpeg marks."""
LARGEST_GAP_S = 10
"""Seconds between two frames from which on the clock of a broadcast container is taken to have jumped."""


class Packets:
    """The packets of a stream so far, in the order of the file."""

    def __init__(self, container: Any, stream: Any) -> None:
        """Nothing is read yet."""
        from av.format import Flags

        self._container, self._stream = container, stream
        self._base = float(stream.time_base or 1)
        self._codec = stream.codec_context.name
        self._hides = "vp8" in self._codec or "vp9" in self._codec
        self._stamps: list[tuple[int | None, int | None, int, int]] = []
        self._order: list[tuple[int, int]] = []
        """Segment and presentation time of each packet that has one, sorted; of those that were asked for so far."""
        self._sorted = 0
        """How many packets these are."""
        self._segment = 0
        self._latest: int | None = None
        """The last presentation time of this segment so far."""
        self._decoded: int | None = None
        """Decoding time of the packet before."""
        self._broadcast = bool(container.format.flags & Flags.ts_discont.value)
        self._restarts = self._broadcast or container.format.name in RESTARTING
        self._gap = LARGEST_GAP_S / self._base if self._broadcast else float("inf")
        self.total = 0
        """Packets, those that show nothing included."""
        self.bytes = 0
        self._timed = True

    def __len__(self) -> int:
        """Return how many frames the packets show."""
        return len(self._stamps)

    def read(self) -> Iterator[Any]:
        """Yield the packets one by one and note each; the empty ones at the end of the stream, too.

        Raises:
            av.error.FFmpegError: the next one cannot be read.
        """
        for packet in self._container.demux(self._stream):
            size = packet.size
            if size:
                self.total += 1
                self.bytes += size
                # Packets before the start of an edit list are only decoded.
                if not (packet.is_discard or (self._hides and is_hidden(packet, self._codec))):
                    self._note(packet)
            yield packet

    def read_all(self) -> None:
        """Read on to the end, or to the first packet that cannot be read."""
        import av

        with contextlib.suppress(av.error.FFmpegError):
            for _ in self.read():
                pass

    @property
    def timed(self) -> bool:
        """Whether every packet has a presentation time of its own."""
        self._sort()
        return self._timed

    def place(self, time: int | None, at: int) -> int | None:
        """Return the number of the frame with this presentation time, from number `at` on.

        None if the packets have no such time, or not all have one of their own.
        """
        if time is None or not self.timed or at >= len(self._order):
            return None
        for segment in range(self._order[at][0], self._segment + 1):
            place = bisect_left(self._order, (segment, time), lo=at)
            if self._order[place : place + 1] == [(segment, time)]:
                return place
        return None

    def timeline(self) -> Timeline:
        """Return the times of the frames."""
        columns = np.array(self._stamps, np.float64).reshape(-1, 4).T  # None becomes NaN
        shown, decoded, lasting = columns[:3] * self._base
        rate = self._stream.guessed_rate or self._stream.average_rate
        stamps = Stamps(shown=shown, decoded=decoded, lasting=lasting, segment=columns[3].astype(np.int64))
        return rebuild(stamps, float(rate) if rate else None)

    def indexed(self) -> int:
        """Return how many frames the index of the file has, which a file that was cut short does not hold."""
        return sum(1 for entry in self._stream.index_entries if entry.size and not entry.is_discard)

    def _note(self, packet: Any) -> None:
        shown, decoded = packet.pts, packet.dts
        if self._restarts:
            self._segment += self._jumps(shown, decoded, starts=packet.is_keyframe)
        self._stamps.append((shown, decoded, packet.duration or 0, self._segment))

    def _sort(self) -> None:
        """Sort in the packets that were read since this was done last."""
        for shown, _, _, segment in self._stamps[self._sorted :]:
            if shown is None:
                self._timed = False
                continue
            key = (segment, shown)
            at = bisect_left(self._order, key)
            self._timed &= self._order[at : at + 1] != [key]
            self._order.insert(at, key)
        self._sorted = len(self._stamps)

    def _jumps(self, shown: int | None, decoded: int | None, *, starts: bool) -> bool:
        """Whether the clock jumped before a packet: what is decoded alone is never shown before what came earlier."""
        before, self._decoded = self._decoded, self._decoded if decoded is None else decoded
        if shown is None:
            return False
        latest, self._latest = self._latest, shown
        if latest is None:
            return False
        if shown >= latest:
            return shown - latest > self._gap
        back = decoded is not None and before is not None and decoded < before
        if starts or (self._broadcast and back):  # others store no decoding times
            return True
        self._latest = latest
        return False


def is_hidden(packet: Any, codec: str) -> bool:
    """Return whether a packet of VP8 or VP9 shows nothing and only helps to decode others."""
    data = bytes(packet)
    head = data[0]
    if "vp8" in codec:
        return not head >> 4 & 1
    if data[-1] >> 5 == 0b110:  # a superframe ends in its own marker, and in a frame that is shown
        return False
    at = 3 if head >> 4 & 0b11 == 0b11 else 4  # profile 3 has a reserved bit more
    return not (head >> at - 1 & 1 or head >> at - 3 & 1)
