"""Where and when reviewers marked an anomaly: spans of time and boxes, their overlap, and what several of them give.

A span is (t_start, t_end) in seconds, a box (x, y, w, h) in pixels of the clip as it is shown.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import median

import numpy as np
import numpy.typing as npt

from hfv_builder.labelling.decisions import ADJUDICATOR, Decision

Span = tuple[float, float]
Box = tuple[int, int, int, int]
Floats = npt.NDArray[np.float64]


def span_of(decision: Decision) -> Span | None:
    """Return the span that a decision marks; None if it marks none."""
    if decision.t_start is None or decision.t_end is None:
        return None
    return decision.t_start, decision.t_end


def has_marks(decision: Decision) -> bool:
    """Return whether a decision marks a span or a box."""
    return span_of(decision) is not None or decision.box is not None


def span_iou(one: Span, other: Span) -> float:
    """Return the length of the intersection of two spans over that of their union, in [0, 1]."""
    shared = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    union = (one[1] - one[0]) + (other[1] - other[0]) - shared
    return shared / union if union > 0 else float(one == other)


def box_iou(one: Box, other: Box) -> float:
    """Return the area of the intersection of two boxes over that of their union, in [0, 1]."""
    width = max(0, min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0]))
    height = max(0, min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1]))
    union = one[2] * one[3] + other[2] * other[3] - width * height
    return width * height / union if union > 0 else float(one == other)


def mean_span_iou(spans: Sequence[Span]) -> float | None:
    """Return the mean of `span_iou` over all pairs; None for fewer than two spans."""
    pairs = [span_iou(one, other) for one, other in combinations(spans, 2)]
    return math.fsum(pairs) / len(pairs) if pairs else None


def mean_box_iou(boxes: Sequence[Box]) -> float | None:
    """Return the mean of `box_iou` over all pairs; None for fewer than two boxes."""
    pairs = [box_iou(one, other) for one, other in combinations(boxes, 2)]
    return math.fsum(pairs) / len(pairs) if pairs else None


def median_span(spans: Sequence[Span]) -> Span | None:
    """Return the medians of the starts and of the ends; None without spans."""
    if not spans:
        return None
    return float(median(start for start, _ in spans)), float(median(end for _, end in spans))


def median_box(boxes: Sequence[Box]) -> Box | None:
    """Return the box of the medians of the four sides, rounded to pixels; None without boxes."""
    if not boxes:
        return None
    left, top, right, bottom = (
        # Halves are rounded up, so that a box never loses its last pixel.
        math.floor(median(sides) + 0.5)
        for sides in zip(*((x, y, x + w, y + h) for x, y, w, h in boxes), strict=True)
    )
    return left, top, right - left, bottom - top


def agreed(decisions: Iterable[Decision]) -> tuple[Span | None, Box | None]:
    """Return the span and the box of the decisions for one label, in the order of `Decision.order`.

    The last adjudicator's mark counts, else the median of the reviewers' marks; span and box are settled separately.
    """
    given = list(decisions)
    judged, voted = ([row for row in given if (row.role == ADJUDICATOR) is is_judge] for is_judge in (True, False))
    spans = [[span for row in rows if (span := span_of(row))] for rows in (judged, voted)]
    boxes = [[row.box for row in rows if row.box is not None] for rows in (judged, voted)]
    return (
        spans[0][-1] if spans[0] else median_span(spans[1]),
        boxes[0][-1] if boxes[0] else median_box(boxes[1]),
    )


def worst_span(values: Floats, begins: Floats, ends: Floats) -> Span | None:
    """Return the span around the worst moment of a trace, to be confirmed or corrected by a reviewer.

    It holds the largest value and its neighbours on both sides while they are at least halfway from the median of the
    trace to the largest value.

    Args:
        values: (n,), the trace; NaN where there is no value.
        begins: (n,), when the first frame of each step begins, ascending, in seconds.
        ends: (n,), when the last frame of each step ends, in seconds.

    Returns:
        The span; None if the trace has no value, or if its worst step has no duration.
    """
    if not np.isfinite(values).any():
        return None
    worst = int(np.nanargmax(values))
    enough = np.isfinite(values) & (values >= (np.nanmedian(values) + values[worst]) / 2)
    first = last = worst
    while first > 0 and enough[first - 1]:
        first -= 1
    while last + 1 < len(values) and enough[last + 1]:
        last += 1
    span = float(begins[first]), float(ends[last])
    return span if span[1] > span[0] else None
