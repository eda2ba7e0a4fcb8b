"""Signals of a clip for the audit, taken from its frames while they are decoded for something else.

All of them come from small copies of the frames, so that a scoring run gets hardly slower.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.frames.fixed_edges import fixed_edges
from hfv_builder.frames.hashing import SIDE, frame_hash

THUMB = 48
"""Rows and columns of the samples of a frame that steps are compared by."""
KEPT_SIDE = 128
"""Rows and columns of the frames that are kept."""
KEPT = 32
"""Largest number of frames that are kept; evenly spread over the clip."""
HASHES = 12
"""Number of hashes of a clip with enough frames."""
STILL = 0.1
"""Mean change in grey levels below which a frame repeats the one before it."""
BLACK = 24
"""Grey level that 95 % of a black frame stays below."""
CUT, CUT_TIMES, CUT_ALIKE = 20.0, 4.0, 0.6
"""A hard cut changes more grey levels in the mean, so many times the median of the steps around it, and leaves a lower
correlation of the two frames."""
AROUND = 8
"""Steps before and after that a possible cut is compared with."""
DARK, BRIGHT, EVEN = 24, 240, 4.0
"""A border is darker or brighter than these in the mean, and varies less over its length and the clip."""

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What the audit knows of a clip's frames. A share that needs more frames than the clip has is None."""

    decoded: int
    """Frames that were decoded."""
    missing: int
    """Frames that could not be decoded."""
    frames: list[int] = field(default_factory=list)
    """The indices of the hashed frames."""
    hashes: list[int] = field(default_factory=list)
    """The `frame_hash` of these, without the borders."""
    brightness: float | None = None
    """Mean grey level, in [0, 1]."""
    change: float | None = None
    """Mean absolute change from frame to frame, in [0, 1]."""
    frozen: float | None = None
    """Share of the steps that repeat the frame before."""
    black: float | None = None
    """Share of the frames that are black."""
    cuts: int | None = None
    """Number of hard cuts."""
    border: float | None = None
    """Share of the area that is black or white bars on opposite sides."""
    fixed: bytes | None = None
    """The `fixed_edges` of the clip; None with too few frames."""


class SignalWatch:
    """Iterate over chunks of frames and collect the signals of their clip."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = chunks
        self.decoded = 0
        """Frames so far."""
        self._missing = 0
        self._kept: list[tuple[int, Grey]] = []
        self._stride = 1
        self._last: npt.NDArray[np.float32] | None = None
        self._levels: list[float] = []
        self._black: list[bool] = []
        self._changes: list[float] = []
        self._alike: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._chunks:
            for rgb, index in zip(chunk.rgb, chunk.index.tolist(), strict=True):
                self._update(rgb, index)
            self._missing = chunk.missing
            yield chunk

    def compute(self) -> Signals:
        """Return the signals of the frames so far."""
        if not self._kept:
            return Signals(decoded=0, missing=self._missing)
        changes = np.asarray(self._changes)
        kept = np.stack([image for _, image in self._kept])
        box, border = _without_borders(kept)
        places = np.unique(np.linspace(0, len(self._kept) - 1, HASHES).round().astype(int))
        small = (cv2.resize(self._kept[place][1][box], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for place in places)
        hashes = [(self._kept[place][0], frame_hash(image)) for place, image in zip(places, small, strict=True)]
        return Signals(
            decoded=self.decoded,
            missing=self._missing,
            frames=[index for index, value in hashes if value is not None],
            hashes=[value for _, value in hashes if value is not None],
            brightness=float(np.mean(self._levels)) / 255,
            change=float(changes.mean()) / 255 if len(changes) else None,
            frozen=float((changes < STILL).mean()) if len(changes) else None,
            black=float(np.mean(self._black)),
            cuts=_cuts(changes, np.asarray(self._alike)) if len(changes) else None,
            border=border,
            fixed=fixed_edges(kept),
        )

    def _update(self, rgb: npt.NDArray[np.uint8], index: int) -> None:
        sampled = cv2.resize(rgb, (THUMB, THUMB), interpolation=cv2.INTER_NEAREST)
        thumb = cv2.cvtColor(sampled, cv2.COLOR_RGB2GRAY).astype(np.float32)
        self._levels.append(float(thumb.mean()))
        self._black.append(bool(np.count_nonzero(thumb < BLACK) >= 0.95 * thumb.size))
        if self._last is not None:
            change = float(np.abs(thumb - self._last).mean())
            self._changes.append(change)
            self._alike.append(_correlation(thumb, self._last) if change > CUT else 1.0)
        self._last = thumb
        if self.decoded % self._stride == 0:
            sampled = cv2.resize(rgb, (2 * KEPT_SIDE, 2 * KEPT_SIDE), interpolation=cv2.INTER_NEAREST)
            small = cv2.resize(sampled, (KEPT_SIDE, KEPT_SIDE), interpolation=cv2.INTER_AREA)
            self._kept.append((index, np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)))
            if len(self._kept) > KEPT:
                self._kept, self._stride = self._kept[::2], 2 * self._stride
        self.decoded += 1


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Return the correlation of two images; 1 if one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 1.0


def _cuts(changes: npt.NDArray[np.float64], alike: npt.NDArray[np.float64]) -> int:
    """Return the number of hard cuts among the steps."""
    cuts = 0
    for step in np.flatnonzero((changes > CUT) & (alike < CUT_ALIKE)):
        near = np.r_[changes[max(0, step - AROUND) : step], changes[step + 1 : step + 1 + AROUND]]
        cuts += bool(len(near) == 0 or changes[step] > CUT_TIMES * np.median(near))
    return cuts


def _without_borders(kept: Grey) -> tuple[tuple[slice, slice], float]:
    """Return the part of the frames, (n, H, W), that lies inside the borders, and the share of the area outside it."""
    height, width = kept.shape[1:]
    top, bottom = _bars(kept)
    left, right = _bars(kept.transpose(0, 2, 1))
    inside = (slice(top, height - bottom), slice(left, width - right))
    return inside, 1 - (height - top - bottom) * (width - left - right) / (height * width)


def _bars(kept: Grey) -> tuple[int, int]:
    """Return the rows of the bars at the top and the bottom; 0 if there is not one on both sides."""
    mean, spread = kept.mean(axis=(0, 2)), kept.std(axis=(0, 2))
    is_bar = (spread < EVEN) & ((mean < DARK) | (mean > BRIGHT))
    first = int(np.argmin(is_bar)) if not is_bar.all() else 0
    last = int(np.argmin(is_bar[::-1])) if not is_bar.all() else 0
    return (first, last) if min(first, last) > 0 else (0, 0)
