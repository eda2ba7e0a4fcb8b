"""When each frame of a clip is shown: from the times of its packets, and rebuilt where these are missing or jump."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]
AGREE = 0.01
"""Share by which two sources of one figure may differ before the packets win over what the file declares."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The times of all frames of a clip."""

    times: Seconds
    """(n,), seconds from the first frame, strictly increasing; NaN if neither times nor a rate are known."""
    last_s: float
    """How long the last frame is shown, in seconds; NaN if nothing is known."""
    jumps: tuple[int, ...] = ()
    """Numbers of the frames before which the clock of the file jumped; the gap is one frame interval now."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.times)

    def after(self, lead: int) -> "Timeline":
        """Return the times of all frames but the first `lead`, from the first of the others; at least one stays."""
        lead = min(lead, max(0, len(self) - 1))
        times = self.times[lead:] - self.times[lead : lead + 1]
        return Timeline(times=times, last_s=self.last_s, jumps=tuple(at - lead for at in self.jumps if at > lead))

    def time(self, number: int) -> float:
        """Return the time of a frame in seconds; after the last known one the time goes on as the last frame does."""
        beyond = max(0, number - len(self) + 1)
        return float(self.times[number - beyond] + beyond * self.last_s) if len(self) else np.nan

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the end of the last; NaN if unknown."""
        return float(self.times[-1] + self.last_s) if len(self) else np.nan


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """The time stamps of packets, each of which shows a frame, in the order of the file."""

    shown: Seconds
    """(n,), presentation times in seconds; NaN where there is none."""
    decoded: Seconds
    """(n,), decoding times in seconds; NaN where there is none."""
    lasting: Seconds
    """(n,), durations in seconds; 0 where there is none."""
    segment: npt.NDArray[np.int64]
    """(n,), number of the stretch without a jump that each packet belongs to, ascending from 0."""


def rebuild(stamps: Stamps, rate: float | None) -> Timeline:
    """Return the times of the frames in the order in which they are shown.

    Presentation times count; where one is missing, decoding times, which are the same times in the order of decoding;
    without these the frames are evenly spaced. Stretches between jumps follow one another at the frame interval.

    Args:
        rate: frames per second as far as the stream knows; None if it does not.
    """
    count = len(stamps.shown)
    clock = next((each for each in (stamps.shown, stamps.decoded) if not np.isnan(each).any()), None)
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
    """Return whether a declared figure may stand for a measured one.

    Args:
        slack: by how much the measured figure may be off for reasons of its own, such as rounded times.
    """
    return declared is not None and abs(declared - measured) <= AGREE * abs(measured) + slack


def _even(count: int, lasting: Seconds, rate: float | None) -> Timeline:
    """Frames at a known rate, or as long as their packets last."""
    interval = 1 / rate if rate else _median(lasting[lasting > 0])
    last = float(lasting[0]) if count == 1 and lasting[0] > 0 else interval
    times = np.arange(count, dtype=np.float64) * np.float64(interval if count > 1 else 0)
    return Timeline(times=times, last_s=last)


def _spread(times: Seconds, interval: float) -> Seconds:
    """Times that are equal, spread evenly up to the next one, or at the interval if there is none."""
    unique, at, counts = np.unique(times, return_index=True, return_counts=True)
    if len(unique) == len(times):
        return times
    ends = np.append(unique[1:], unique[-1] + interval * counts[-1])
    offset = np.arange(len(times)) - np.repeat(at, counts)
    return np.asarray(np.repeat(unique, counts) + offset * np.repeat((ends - unique) / counts, counts))


def _last(stamps: Stamps, interval: float, steps: Seconds) -> float:
    """How long the last frame is shown: as its packet says, where those of the others say what is true."""
    lasting = float(stamps.lasting[np.argmax(stamps.shown)] if not np.isnan(stamps.shown).all() else 0)
    believed = agree(_median(stamps.lasting[:-1]), _median(steps), slack=1e-3)
    return lasting if lasting > 0 and believed else interval


def _median(values: Seconds) -> float:
    return float(np.median(values)) if len(values) else np.nan
