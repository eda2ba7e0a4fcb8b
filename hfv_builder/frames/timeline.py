"""Compute the presentation times of a clip's frames from its packets, also if times are missing or jump."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]
AGREE = 0.01
"""Largest relative difference at which a declared value is used instead of the value measured from packets."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The presentation times of all frames of a clip."""

    times: Seconds
    """(n,), seconds from the first frame, strictly increasing; NaN if neither times nor a rate are known."""
    last_s: float
    """Duration of the last frame in seconds; NaN if unknown."""
    jumps: tuple[int, ...] = ()
    """Indices of the frames before which the times of the file jump; in `times` the gap is one frame interval."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.times)

    def after(self, lead: int) -> "Timeline":
        """Return the timeline without the first `lead` frames, from 0 s again; at least one frame is kept."""
        lead = min(lead, max(0, len(self) - 1))
        times = self.times[lead:] - self.times[lead : lead + 1]
        jumps = tuple(jump - lead for jump in self.jumps if jump > lead)
        return Timeline(times=times, last_s=self.last_s, jumps=jumps)

    def time(self, number: int) -> float:
        """Return the time of a frame in seconds; frames after the last known one follow at intervals of `last_s`."""
        beyond = max(0, number - len(self) + 1)
        return float(self.times[number - beyond] + beyond * self.last_s) if len(self) else np.nan

    @property
    def duration_s(self) -> float:
        """Return the seconds from the start of the first frame to the end of the last; NaN if unknown."""
        return float(self.times[-1] + self.last_s) if len(self) else np.nan


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """The timestamps of packets that show a frame, in the order of the file."""

    shown: Seconds
    """(n,), presentation times in seconds; NaN if missing."""
    decoded: Seconds
    """(n,), decoding times in seconds; NaN if missing."""
    lasting: Seconds
    """(n,), durations in seconds; 0 if missing."""
    segment: npt.NDArray[np.int64]
    """(n,), index of the segment between two jumps that a packet belongs to, ascending from 0."""


def rebuild(stamps: Stamps, rate: float | None) -> Timeline:
    """Return the timeline of the frames in presentation order.

    Uses presentation times. If one is missing, uses decoding times, which are the same times in decoding order; if one
    of these is missing too, spaces the frames evenly. Consecutive segments are joined at the frame interval.

    Args:
        stamps: the timestamps of the packets.
        rate: frames per second of the stream; None if unknown.
    """
    count = len(stamps.shown)
    clock = next((times for times in (stamps.shown, stamps.decoded) if not np.isnan(times).any()), None)
    if clock is None or count < 2:
        return _even(count, stamps.lasting, rate)
    starts = np.flatnonzero(np.diff(stamps.segment, prepend=-1))
    parts = [np.sort(part) for part in np.split(clock, starts[1:])]
    steps = np.concatenate([np.diff(part) for part in parts])
    interval = _median(steps[steps > 0])
    if np.isnan(interval):
        return _even(count, stamps.lasting, rate)
    joined: list[Seconds] = []
    for part in parts:
        start = joined[-1][-1] + interval if joined else 0.0
        joined.append(_spread(part - part[0], interval) + start)
    last = _last(stamps, interval, steps)
    return Timeline(times=np.concatenate(joined), last_s=last, jumps=tuple(starts[1:].tolist()))


def agree(declared: float | None, measured: float, slack: float = 0.0) -> bool:
    """Return whether a declared value agrees with a measured one.

    Args:
        declared: the declared value, if any.
        measured: the measured value.
        slack: absolute tolerance of the measured value, for example for rounded times.
    """
    return declared is not None and abs(declared - measured) <= AGREE * abs(measured) + slack


def _even(count: int, lasting: Seconds, rate: float | None) -> Timeline:
    """Return evenly spaced frames, at the rate if known, else at the median duration of the packets."""
    interval = 1 / rate if rate else _median(lasting[lasting > 0])
    last = float(lasting[0]) if count == 1 and lasting[0] > 0 else interval
    times = np.arange(count, dtype=np.float64) * np.float64(interval if count > 1 else 0)
    return Timeline(times=times, last_s=last)


def _spread(times: Seconds, interval: float) -> Seconds:
    """Return the times with equal ones spread evenly up to the next time, or by the interval at the end."""
    unique, starts, counts = np.unique(times, return_index=True, return_counts=True)
    if len(unique) == len(times):
        return times
    ends = np.append(unique[1:], unique[-1] + interval * counts[-1])
    offset = np.arange(len(times)) - np.repeat(starts, counts)
    return np.asarray(np.repeat(unique, counts) + offset * np.repeat((ends - unique) / counts, counts))


def _last(stamps: Stamps, interval: float, steps: Seconds) -> float:
    """Return the duration of the last frame: of its packet, if the durations of the other packets agree with times."""
    lasting = float(stamps.lasting[np.argmax(stamps.shown)] if not np.isnan(stamps.shown).all() else 0)
    believed = agree(_median(stamps.lasting[:-1]), _median(steps), slack=1e-3)
    return lasting if lasting > 0 and believed else interval


def _median(values: Seconds) -> float:
    return float(np.median(values)) if len(values) else np.nan
