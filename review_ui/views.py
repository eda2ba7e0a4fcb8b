"""The clips of each queue in dealing order, for every filter in use."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from review_ui.clips import Clips, Ints
from review_ui.filter import Filter

KEPT = 64
"""Number of cached filters, and of cached pairs of queue and filter."""

Bools = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class View:
    """One queue with one filter."""

    rows: Ints
    """Rows of clips in dealing order."""
    has: Bools
    """Per clip, whether it is in `rows`."""
    closed: int = 0
    """Number of leading rows that are known to have all the votes that they need."""
    open: int = 0
    """Number of open rows at the last count."""
    counted: float = -np.inf
    """Time of the last count."""


class Views:
    """The views of the queues that do not change with every decision."""

    def __init__(self, clips: Clips, calibration: int) -> None:
        """Make the views of these clips; `calibration` is the size of the calibration set."""
        self._clips = clips
        self._calibration = calibration
        self._views: OrderedDict[tuple[str, Filter], View] = OrderedDict()
        self._fits: OrderedDict[Filter, Bools] = OrderedDict()

    def view(self, queue: str, wanted: Filter) -> View:
        """Return the view of the queue `labels`, `calibration` or `failed` with this filter."""
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
        """Return the mask of the clips that the filter selects."""
        if wanted not in self._fits:
            self._fits[wanted] = self._clips.matches(wanted)
            if len(self._fits) > KEPT:
                self._fits.popitem(last=False)
        return self._fits[wanted]

    def reopen(self) -> None:
        """Mark all rows as possibly open, after an undo."""
        for view in self._views.values():
            view.closed = 0

    def _rows(self, queue: str) -> Ints:
        clips = self._clips
        if queue == "failed":
            return clips.order[clips.failed[clips.order]]
        if queue == "calibration":
            # The same sample for all reviewers and all filters.
            return clips.shuffled[(~clips.failed & ~clips.is_real)[clips.shuffled]][: self._calibration]
        return clips.order[~clips.failed[clips.order]]
