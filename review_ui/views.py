"""The clips of each queue in the order in which they are dealt, for every filter that somebody uses."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from review_ui.clips import Clips, Filter, Ints

KEPT = 64
"""Filters and queues with a filter that are kept ready."""

Bools = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class View:
    """One queue with one filter."""

    rows: Ints
    """Rows of clips, the next to be dealt first."""
    has: Bools
    """Of every clip, whether it is among them."""
    closed: int = 0
    """So many rows at the head have all the votes that they need."""
    open: int = 0
    """How many rows were open when they were last counted."""
    counted: float = -np.inf
    """When that was."""


class Views:
    """The views of the queues that do not change with every decision."""

    def __init__(self, clips: Clips, calibration: int) -> None:
        """Over these clips, so many of them in the calibration set."""
        self._clips = clips
        self._calibration = calibration
        self._views: OrderedDict[tuple[str, Filter], View] = OrderedDict()
        self._fits: OrderedDict[Filter, Bools] = OrderedDict()

    def view(self, queue: str, wanted: Filter) -> View:
        """The queue `labels`, `calibration` or `failed`."""
        key = (queue, wanted)
        if key not in self._views:
            rows = self._rows(queue)
            rows = rows[self.fits(wanted)[rows]]
            has = np.zeros(len(self._clips), bool)
            has[rows] = True
            self._views[key] = View(rows, has)
            if len(self._views) > KEPT:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return self._views[key]

    def fits(self, wanted: Filter) -> Bools:
        """Of every clip, whether the filter wants it."""
        if wanted not in self._fits:
            self._fits[wanted] = self._clips.matches(wanted)
            if len(self._fits) > KEPT:
                self._fits.popitem(last=False)
        return self._fits[wanted]

    def reopen(self) -> None:
        """Look at every row again: somebody has taken an answer back."""
        for view in self._views.values():
            view.closed = 0

    def _rows(self, queue: str) -> Ints:
        clips = self._clips
        if queue == "failed":
            return clips.order[clips.failed[clips.order]]
        if queue == "calibration":
            # The same sample for everybody, whatever the filter.
            return clips.shuffled[(~clips.failed & ~clips.is_real)[clips.shuffled]][: self._calibration]
        return clips.order[~clips.failed[clips.order]]
