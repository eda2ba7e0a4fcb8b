"""Statistics of what answers say beside the label: how strong an anomaly is, and when and where it is."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from hfv_builder.labelling.agreement import BOOTSTRAPS
from hfv_builder.labelling.decisions import ADJUDICATOR, LABELS, Decision, Kind
from hfv_builder.labelling.final_labels import undone
from hfv_builder.labelling.marks import has_marks, mean_box_iou, mean_span_iou, span_of
from hfv_builder.labelling.strength import STRENGTHS, STRONG
from hfv_builder.records import Label
from review_ui.clips import Clips
from review_ui.people import Sitting
from review_ui.shares import share_of

T = TypeVar("T")
GOOD = 0.5
"""Overlap from which two marks are commonly taken to be of the same thing."""


def latest(seated: list[Sitting]) -> dict[tuple[str, str], Sitting]:
    """Return the last sitting of each reviewer on each clip with an anomaly, by clip id and name."""
    last = {(sitting.clip_id, sitting.reviewer): sitting for sitting in seated}
    return {key: sitting for key, sitting in last.items() if sitting.last in LABELS[Kind.GENERATED]}


def strengths(seated: list[Sitting], clips: Clips) -> dict[str, Any]:
    """Return how reviewers judge the strength of the anomalies of validation candidates.

    Args:
        seated: all sittings.
        clips: the clips of the review.

    Returns:
        `labels`: for each anomaly the answers to candidates (`answers`), those without a strength (`none`), and of the
        others the share `strong`; `agreement`: the share of pairs of reviewers with equal strength, among those who
        gave the same label and a strength. See `shares.share_of`.
    """
    given = [sitting for sitting in latest(seated).values() if clips.is_candidate(clips.row[sitting.clip_id])]
    rows = []
    for label in LABELS[Kind.GENERATED]:
        said = [sitting.answers[-1].strength for sitting in given if sitting.last == label]
        judged = [strength for strength in said if strength in STRENGTHS]
        strong = share_of(judged.count(STRONG), len(judged))
        rows.append({"label": str(label), "answers": len(said), "none": len(said) - len(judged), "strong": strong})
    same = [
        one == other
        for said in _by_clip_and_label(given, lambda sitting: sitting.answers[-1].strength).values()
        for one, other in combinations(said, 2)
    ]
    return {"labels": rows, "agreement": share_of(sum(same), len(same))}


def marks(seated: list[Sitting], decisions: list[Decision]) -> dict[str, Any]:
    """Return how many answers have marks, and how far those of reviewers who gave a clip the same label overlap.

    Args:
        seated: all sittings of reviewers.
        decisions: all decisions, undos included, sorted by `Decision.order`.

    Returns:
        `marked` (answers of reviewers with a span or a box), `settled` (clips with such an answer of an adjudicator),
        and `span` and `box`, see `overlap`.
    """
    given = list(latest(seated).values())
    spans = _by_clip_and_label(given, lambda sitting: span_of(sitting.answers[-1]))
    boxes = _by_clip_and_label(given, lambda sitting: sitting.answers[-1].box)
    marked = sum(has_marks(sitting.answers[-1]) for sitting in given)
    taken_back = undone(decisions)
    judged = [row for row in decisions if row.role == ADJUDICATOR and row.decision_id not in taken_back]
    settled = {row.clip_id: has_marks(row) for row in judged if not row.undoes}  # the last one counts
    return {"marked": marked, "settled": sum(settled.values())} | {
        "span": overlap([value for one in spans.values() if (value := mean_span_iou(one)) is not None]),
        "box": overlap([value for one in boxes.values() if (value := mean_box_iou(one)) is not None]),
    }


def overlap(values: Sequence[float], *, seed: int = 0) -> dict[str, Any]:
    """Return the mean intersection over union of clips that several reviewers marked.

    Returns:
        `n` (clips), `mean`, `from` and `to` (its 95 % bootstrap interval over clips), and the share `good` of clips
        with a value of at least 0.5; None where there are too few clips.
    """
    low, high = None, None
    if len(values) > 1:
        data = np.array(values)
        rng = np.random.default_rng(seed)
        # One draw at a time: all together would take 1000 times the memory.
        draws = [data[rng.integers(0, len(data), len(data))].mean() for _ in range(BOOTSTRAPS)]
        low, high = (float(end) for end in np.quantile(draws, [0.025, 0.975]))
    mean = math.fsum(values) / len(values) if values else None
    good = share_of(sum(value >= GOOD for value in values), len(values))
    return {"n": len(values), "mean": mean, "from": low, "to": high, "good": good}


def _by_clip_and_label(given: list[Sitting], read: Callable[[Sitting], T | None]) -> dict[tuple[str, Label], list[T]]:
    """Return what the sittings on each clip that gave it the same label say, without those that say nothing."""
    said: dict[tuple[str, Label], list[T]] = defaultdict(list)
    for sitting in sorted(given, key=lambda sitting: (sitting.clip_id, sitting.reviewer)):
        value = read(sitting)
        if value is not None and sitting.last is not None:
            said[sitting.clip_id, Label(sitting.last)].append(value)
    return said
