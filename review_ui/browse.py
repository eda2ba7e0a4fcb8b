"""Find clips by id, name and properties, and sort them: the rows of the grid."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hfv_builder.labelling.decisions import LEFT_OUT
from hfv_builder.records import Metric
from review_ui.board import Board
from review_ui.clips import NONE, Clips, Ints
from review_ui.filter import Filter

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Search:
    """The clips to list and their order. What is None or empty selects all."""

    wanted: Filter = field(default_factory=Filter)
    text: str = ""
    """The beginning of a clip id, or a part of a file name in any case."""
    by_name: bool = True
    """Whether the text is looked for in file names too."""
    failed: bool | None = None
    """Whether the clips could not be read or scored."""
    margin: tuple[float, float] | None = None
    """Smallest and largest margin."""
    score: tuple[Metric, float, float] | None = None
    """A metric, and its smallest and largest score."""
    opinion: str | None = None
    """What reviewers say: disputed, changed, confirmed, rejected or open; `changed` compares their final label with the
    automatic one."""
    sort: str = "id"
    """id, name, margin or a metric."""
    descending: bool = False

    @property
    def reveals(self) -> bool:
        """Whether the result tells something that a blind reviewer must not know."""
        asked = (self.wanted.label, self.margin, self.score, self.opinion)
        return any(value is not None for value in asked) or self.sort not in ("id", "name")

    @property
    def names(self) -> bool:
        """Whether the result depends on generators or file names."""
        return self.wanted.generator is not None or self.sort == "name"


def select(clips: Clips, board: Board, search: Search) -> Ints:
    """Return the rows of the clips that are searched for, sorted; clips without a value to sort by come last."""
    mask = clips.matches(search.wanted)
    if search.text:
        mask &= clips.find(search.text, names=search.by_name)
    if search.failed is not None:
        mask &= clips.failed == search.failed
    if search.margin is not None:
        mask &= (clips.margin != NONE) & _between(clips.margin.astype(np.float64), *search.margin)
    if search.score is not None:
        metric, low, high = search.score
        mask &= _between(clips.scores[metric], low, high)
    if search.opinion is not None:
        mask &= _said(clips, board, search.opinion)
    rows = np.flatnonzero(mask)
    return rows[_order(clips, rows, search)]


def _between(values: Floats, low: float, high: float) -> Bools:
    return np.asarray((values >= low) & (values <= high), bool)


def _said(clips: Clips, board: Board, opinion: str) -> Bools:
    """Return the mask of the clips about which reviewers say this."""
    final = board.final
    if opinion == "disputed":
        mask = np.zeros(len(clips), bool)
        mask[board.disputed(Filter())] = True
        return mask
    if opinion == "open":
        return np.asarray((final == NONE) & ~clips.failed, bool)
    if opinion == "rejected":
        return np.asarray(final == LEFT_OUT, bool)
    settled = (final != NONE) & (final != LEFT_OUT) & (clips.auto_label != NONE)
    same = final == clips.auto_label
    return np.asarray(settled & (same if opinion == "confirmed" else ~same), bool)


def _order(clips: Clips, rows: Ints, search: Search) -> Ints:
    """Return the places of these rows in sorted order. Equal values are sorted by clip id."""
    by_id = np.argsort(clips.by_id[rows], kind="stable")
    if search.sort == "id":
        return by_id[::-1] if search.descending else by_id
    if search.sort == "name":
        keys = clips.by_name[rows].astype(np.float64)
    elif search.sort == "margin":
        keys = np.where(clips.margin[rows] == NONE, np.nan, clips.margin[rows])
    else:
        keys = clips.scores[Metric(search.sort)][rows]
    keys = -keys if search.descending else keys
    return np.asarray(by_id[np.argsort(keys[by_id], kind="stable")], np.int64)  # NaN comes last in both directions
