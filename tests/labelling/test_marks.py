"""Spans and boxes: overlaps, medians of several reviewers, and the proposal from a trace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.labelling.decisions import ADJUDICATOR, Decision
from hfv_builder.labelling.marks import (
    Box,
    Span,
    agreed,
    box_iou,
    mean_box_iou,
    mean_span_iou,
    median_box,
    median_span,
    span_iou,
    worst_span,
)

SPANS = st.tuples(st.integers(0, 9999), st.integers(1, 999)).map(lambda pair: (pair[0] / 32, sum(pair) / 32))
BOXES = st.tuples(*[st.integers(0, 4000)] * 2, *[st.integers(1, 4000)] * 2)


def test_overlaps_of_known_spans_and_boxes() -> None:
    assert span_iou((0.0, 2.0), (1.0, 3.0)) == pytest.approx(1 / 3)
    assert span_iou((0.0, 1.0), (1.0, 2.0)) == span_iou((0.0, 1.0), (5.0, 6.0)) == 0
    assert span_iou((1.0, 1.0), (1.0, 1.0)) == 1  # spans without duration
    assert box_iou((0, 0, 10, 10), (5, 5, 10, 10)) == pytest.approx(25 / 175)
    assert box_iou((0, 0, 10, 10), (10, 0, 10, 10)) == 0
    assert mean_span_iou([(0.0, 2.0), (1.0, 3.0), (0.0, 2.0)]) == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert mean_box_iou([(0, 0, 4, 4), (0, 0, 4, 2)]) == pytest.approx(0.5)
    assert mean_span_iou([(0.0, 1.0)]) is mean_box_iou([]) is None


@given(SPANS, SPANS, BOXES, BOXES)
def test_overlap_is_symmetric_and_one_for_equals_alone(a: Span, b: Span, c: Box, d: Box) -> None:
    for first, second, value, swapped, with_itself in (
        (a, b, span_iou(a, b), span_iou(b, a), span_iou(a, a)),
        (c, d, box_iou(c, d), box_iou(d, c), box_iou(c, c)),
    ):
        assert value == pytest.approx(swapped)
        assert 0 <= value <= 1
        assert with_itself == pytest.approx(1)
        if first != second:
            assert value < 1


@given(st.lists(SPANS, min_size=1, max_size=5), st.lists(BOXES, min_size=1, max_size=5))
def test_medians_lie_between_the_given_spans_and_boxes(spans: list[Span], boxes: list[Box]) -> None:
    start, end = median_span(spans) or (0.0, 0.0)
    assert min(s for s, _ in spans) <= start < end <= max(e for _, e in spans)
    x, y, w, h = median_box(boxes) or (0, 0, 0, 0)
    assert w >= 1
    assert h >= 1
    assert min(box[0] for box in boxes) <= x <= x + w <= max(box[0] + box[2] for box in boxes)
    assert min(box[1] for box in boxes) <= y <= y + h <= max(box[1] + box[3] for box in boxes)
    assert median_span(spans[:1]) == spans[0]
    assert median_box(boxes[:1]) == boxes[0]
    assert median_span(spans[::-1]) == (start, end)


def marked(index: int, span: Span | None, box: Box | None, role: str = "reviewer") -> Decision:
    start, end = span or (None, None)
    fields = {"t_start": start, "t_end": end, "box": box, "role": role}
    ids = {"decision_id": str(index), "clip_id": "a", "reviewer": f"r{index}", "created_at": index}
    return Decision(decision="relabel", label=0, **ids, **fields)  # type: ignore[arg-type]


def test_marks_are_the_adjudicators_or_the_median_of_reviewers() -> None:
    votes = [
        marked(1, (0.0, 1.0), (0, 0, 10, 10)),
        marked(2, (0.5, 2.0), (4, 2, 10, 11)),
        marked(3, (3.0, 4.0), None),
        marked(4, None, None),
    ]
    assert agreed(votes) == ((0.5, 2.0), (2, 1, 10, 11))  # right 12, bottom 11.5, rounded up
    ruling = marked(5, None, (7, 7, 2, 2), ADJUDICATOR)
    assert agreed([*votes, ruling]) == ((0.5, 2.0), (7, 7, 2, 2))
    assert agreed([marked(1, None, None)]) == agreed([]) == (None, None)


def test_the_worst_span_surrounds_the_worst_moment() -> None:
    begins = np.linspace(0, 2.5, 6)
    ends = np.linspace(0.75, 3.25, 6)  # steps overlap: the last frame of a step is the first of the next
    # median 1.5, largest 9: the span includes neighbours of at least 5.25
    assert worst_span(np.array([1.0, 1, 6, 9, 2, 1]), begins, ends) == (1.0, 2.25)
    assert worst_span(np.array([9.0, 8, np.nan, 7, 1, 1]), begins, ends) == (0.0, 1.25)
    assert worst_span(np.array([1.0, 1, 1, 1, 1, 9]), begins, ends) == (2.5, 3.25)
    assert worst_span(np.full(6, 2.0), begins, ends) == (0.0, 3.25)
    assert worst_span(np.full(6, np.nan), begins, ends) is None
    assert worst_span(np.array([]), np.array([]), np.array([])) is None
    assert worst_span(np.array([1.0]), np.array([0.5]), np.array([0.5])) is None
