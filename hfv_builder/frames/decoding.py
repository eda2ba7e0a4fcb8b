"""One pass of FFmpeg over a video stream, which goes on after units that cannot be decoded."""

from collections.abc import Iterator
from typing import Any

from hfv_builder.frames.limits import FRAME_PIXELS, check_length, check_size
from hfv_builder.frames.packets import Packets
from hfv_builder.records import ClipError


class Decoding:
    """Gives the frames that can be decoded; afterwards it knows how many there should have been.

    What the stream should show is counted from its packets and, where the file ends before its index does, from the
    index. A declared number of frames counts for nothing.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        """Nothing is read yet."""
        self._context = stream.codec_context
        self.packets = Packets(container, stream)
        """Those read so far."""
        self._packet_times = True
        """Whether the times of the frames so far are those of the packets in their order."""
        self.lead = 0
        """Frames at the start that the decoder leaves out without an error, as what they refer to was cut away."""
        self.decoded = 0
        """Frames so far."""
        self.damaged = 0
        """Those of them that the decoder marks as corrupt: it fills in what it cannot read."""
        self.reason: str | None = None
        """Of the first error."""

    @property
    def missing(self) -> int:
        """Frames that should have come by the end of the stream and have not; 0 if nothing is amiss."""
        indexed, packets = self.packets.indexed(), len(self.packets)
        if self.reason is None and indexed <= packets:
            return 0  # some streams show fewer frames than they have packets, such as fields
        return max(0, max(indexed, packets) - self.lead - self.decoded)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Frames in presentation order, each with its number in the clip; numbers of missing frames are left out.

        Raises:
            ClipError: there are more frames, or larger ones, than are read of one clip.
        """
        import av

        number = 0
        for packet in self._demuxed():
            try:
                found = self._context.decode(packet)
            except av.error.FFmpegError as error:
                self._blame(error)
                number += not self.packets.timed
                continue
            for frame in found:
                number = self._number(frame, number)
                check_size(frame.width, frame.height)
                check_length(number + 1, frame.width, frame.height)
                yield number, frame
                number += 1
                self.decoded += 1
                self.damaged += bool(frame.is_corrupt)

    def first(self) -> Any:
        """Return the first frame, an `av.VideoFrame`.

        Raises:
            ClipError: none can be decoded, or it is too large.
        """
        _, frame = next(iter(self), (0, None))
        if frame is None:
            raise ClipError(self.nothing)
        return frame

    @property
    def nothing(self) -> str:
        """The sentence for a clip of which no frame can be decoded."""
        if self.reason and not self._context.width:
            return f"no frame can be decoded, or they have more than {FRAME_PIXELS} pixels: {self.reason}"
        return f"no frame can be decoded{f': {self.reason}' if self.reason else ''}"

    def _number(self, frame: Any, number: int) -> int:
        """The number of a frame that follows `number` frames, some of which may be missing."""
        place = self.packets.place(frame.pts, number + self.lead)
        if self.reason is not None:
            return number if place is None or not self._packet_times else place - self.lead
        if self.decoded == 0:
            self.lead = place or 0
        else:  # AVI has no presentation times: those of its packets are in another order than the frames
            self._packet_times &= place == number + self.lead
        return number

    def _demuxed(self) -> Iterator[Any]:
        """The packets up to the first that cannot be read."""
        import av

        try:
            yield from self.packets.read()
        except av.error.FFmpegError as error:
            self._blame(error)
            yield None  # what the decoder still holds

    def _blame(self, error: Any) -> None:
        self.reason = self.reason or (error.strerror or str(error)).lower()
