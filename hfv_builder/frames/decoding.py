"""Decode a video stream once with FFmpeg, and continue after packets that cannot be decoded."""

from collections.abc import Iterator
from typing import Any

from hfv_builder.frames.limits import FRAME_PIXELS, check_length, check_size
from hfv_builder.frames.packets import Packets
from hfv_builder.records import ClipError


class Decoding:
    """Iterate over the frames that can be decoded, and count those that are missing.

    The expected number of frames comes from the packets, or from the index if the file is truncated. The declared
    number of frames is ignored.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        """Start without reading.

        Args:
            container: an `av.container.InputContainer`.
            stream: its `av.video.stream.VideoStream` to decode.
        """
        self._context = stream.codec_context
        self.packets = Packets(container, stream)
        """The packets read so far."""
        self._packet_times = True
        """Whether all frames so far had the times of the packets, in the same order."""
        self.lead = 0
        """Number of first frames that the decoder drops without an error, since their reference frames are missing."""
        self.decoded = 0
        """Number of frames decoded so far."""
        self.damaged = 0
        """Number of those that the decoder marks as corrupt: it conceals the parts that it cannot read."""
        self.reason: str | None = None
        """Text of the first error."""

    @property
    def missing(self) -> int:
        """Return how many expected frames were not decoded. Valid at the end of the stream."""
        indexed, packets = self.packets.indexed(), len(self.packets)
        if self.reason is None and indexed <= packets:
            return 0  # some streams have fewer frames than packets, for example if packets are fields
        return max(0, max(indexed, packets) - self.lead - self.decoded)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Yield (index, `av.VideoFrame`) in presentation order; indices of missing frames are skipped.

        Raises:
            ClipError: the frames are too many or too large, see `limits`.
        """
        import av

        number = 0
        for packet in self._demuxed():
            try:
                frames = self._context.decode(packet)
            except av.error.FFmpegError as error:
                self._record(error)
                number += not self.packets.timed
                continue
            for frame in frames:
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
            ClipError: no frame can be decoded, or it is too large.
        """
        _, frame = next(iter(self), (0, None))
        if frame is None:
            raise ClipError(self.nothing)
        return frame

    @property
    def nothing(self) -> str:
        """Return the error message for a clip of which no frame can be decoded."""
        if self.reason and not self._context.width:
            return f"no frame can be decoded, or they have more than {FRAME_PIXELS} pixels: {self.reason}"
        return f"no frame can be decoded{f': {self.reason}' if self.reason else ''}"

    def _number(self, frame: Any, number: int) -> int:
        """Return the index of a frame whose predecessor has the index `number` - 1; larger if frames are missing."""
        place = self.packets.place(frame.pts, number + self.lead)
        if self.reason is not None:
            return number if place is None or not self._packet_times else place - self.lead
        if self.decoded == 0:
            self.lead = place or 0
        else:  # AVI stores no presentation times: the times of its packets are not in the order of the frames
            self._packet_times &= place == number + self.lead
        return number

    def _demuxed(self) -> Iterator[Any]:
        """Yield the packets up to the first that cannot be read."""
        import av

        try:
            yield from self.packets.read()
        except av.error.FFmpegError as error:
            self._record(error)
            yield None  # flushes the decoder

    def _record(self, error: Any) -> None:
        self.reason = self.reason or (error.strerror or str(error)).lower()
