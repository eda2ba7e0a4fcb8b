"""The dashboard's figures of reviewers: who did what, how fast, and how far they agree with each other."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.agreement import agreement
from hfv_builder.records import Label
from hfv_builder.reviews import ABSTAIN, ANSWERS
from review_ui.decision import Decision, code

PAUSE_S = 180.0
"""A longer gap between two decisions is not work."""
RECENT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """One reviewer's answers to one clip, from the first to the one that closed it."""

    reviewer: str
    clip_id: str
    first: Decision
    last: Decision
    seconds: float | None


def sittings(reviews: Iterable[Decision]) -> Iterable[Sitting]:
    """Decisions, oldest first, gathered by reviewer and clip; a repeat is a sitting of its own."""
    open_: dict[tuple[str, str], list[Decision]] = {}
    for decision in reviews:
        key = (decision.reviewer, decision.clip_id)
        if key in open_ and decision.blind:  # a second blind answer belongs to another sitting
            yield _sitting(open_.pop(key))
        open_.setdefault(key, []).append(decision)
        if decision.final:
            yield _sitting(open_.pop(key))
    for answers in open_.values():
        yield _sitting(answers)


def _sitting(answers: list[Decision]) -> Sitting:
    known = [decision.seconds for decision in answers if decision.seconds is not None]
    first, last = answers[0], answers[-1]
    return Sitting(
        reviewer=first.reviewer, clip_id=first.clip_id, first=first, last=last, seconds=sum(known) if known else None
    )


def hourly(times: list[float], now: float) -> float | None:
    """Decisions an hour of work in the last hour, or before it if nothing happened in it; pauses do not count."""
    recent = sorted(time for time in times if time > now - RECENT_S) or sorted(times)[-200:]
    gaps = np.diff(recent)
    worked = gaps[gaps < PAUSE_S]
    return None if len(worked) < 2 or worked.sum() <= 0 else float(len(worked) / worked.sum() * 3600)


def reviewers(seated: list[Sitting], final: pd.DataFrame, now: float) -> list[dict[str, Any]]:
    """What each reviewer did, most first."""
    settled = final[final["adjudicated"] | (final["reviewers"] > 1)]
    truth = {
        clip_id: len(Label) if rejected else label
        for clip_id, rejected, label in zip(settled["clip_id"], settled["rejected"], settled["label"], strict=True)
        if rejected or not pd.isna(label)
    }
    by_name: dict[str, list[Sitting]] = defaultdict(list)
    for sitting in seated:
        by_name[sitting.reviewer].append(sitting)
    rows = []
    for name, own in sorted(by_name.items(), key=lambda entry: -len(entry[1])):
        checked = [code(s.last) == truth[s.clip_id] for s in own if s.clip_id in truth and code(s.last) != ABSTAIN]
        again = repeats(own)
        took = [s.seconds for s in own if s.seconds is not None]
        rows.append(
            {
                "name": name,
                "clips": len({s.clip_id for s in own}),
                "per_hour": hourly([s.last.created_at / 1e6 for s in own], now),
                "seconds": float(np.median(took)) if took else None,
                "unsure": sum(code(s.last) == ABSTAIN for s in own) / len(own),
                "rejected": sum(s.last.decision == "reject" for s in own) / len(own),
                "changed": changed(own),
                "with_final": sum(checked) / len(checked) if checked else None,
                "checked": len(checked),
                "with_self": sum(again) / len(again) if again else None,
                "repeats": len(again),
            }
        )
    return rows


def changed(own: list[Sitting]) -> float | None:
    """Share of blind first answers that were changed once the suggestion was seen."""
    blind = [s for s in own if s.first.blind and s.last is not s.first]
    return sum(code(s.last) != code(s.first) for s in blind) / len(blind) if blind else None


def repeats(own: list[Sitting]) -> list[bool]:
    """Of each clip that one reviewer answered again: whether both first answers were the same."""
    before: dict[str, int] = {}
    same = []
    for sitting in own:
        given = code(sitting.first)
        if sitting.clip_id in before:
            same.append(before[sitting.clip_id] == given)
        before[sitting.clip_id] = given
    return same


def agreements(seated: list[Sitting]) -> dict[str, Any]:
    """Between reviewers: of blind first answers, which nobody has swayed, and of the answers they stood by."""
    return {
        "blind": asdict(agreement(_counts((s.reviewer, s.clip_id, code(s.first)) for s in seated if s.first.blind))),
        "standing": asdict(agreement(_counts((s.reviewer, s.clip_id, code(s.last)) for s in seated))),
    }


def _counts(given: Iterable[tuple[str, str, int]]) -> npt.NDArray[np.int64]:
    """How often each answer was given to each clip, a reviewer's latest answer to a clip counting once."""
    latest = {(reviewer, clip_id): answer for reviewer, clip_id, answer in given}
    places: dict[str, int] = {}
    pairs = [(places.setdefault(c, len(places)), a) for (_, c), a in latest.items() if a != ABSTAIN]
    counts = np.zeros((len(places), len(ANSWERS)), np.int64)
    if pairs:
        np.add.at(counts, tuple(np.array(pairs).T), 1)
    return counts


def pairs(seated: list[Sitting]) -> list[dict[str, Any]]:
    """Agreement of every two reviewers on the clips that both answered."""
    standing: dict[str, dict[str, int]] = defaultdict(dict)
    for sitting in seated:
        if code(sitting.last) != ABSTAIN:
            standing[sitting.reviewer][sitting.clip_id] = code(sitting.last)
    found: list[dict[str, Any]] = []
    for a, b in combinations(sorted(standing), 2):
        both = standing[a].keys() & standing[b].keys()
        if both:
            equal = sum(standing[a][clip_id] == standing[b][clip_id] for clip_id in both)
            found.append({"a": a, "b": b, "clips": len(both), "percent": equal / len(both)})
    return sorted(found, key=lambda pair: -int(pair["clips"]))[:60]


def seconds(seated: list[Sitting]) -> dict[str, Any]:
    """Time per clip: quartiles, and how many clips took how long."""
    took = np.array([s.seconds for s in seated if s.seconds is not None])
    edges = [0, 2, 4, 6, 8, 10, 15, 20, 30, 60]
    if len(took) == 0:
        return {"median": None, "quartiles": None, "edges": edges, "counts": [0] * len(edges)}
    counts, _ = np.histogram(took, [*edges, np.inf])
    low, median, high = np.quantile(took, [0.25, 0.5, 0.75])
    return {"median": float(median), "quartiles": [float(low), float(high)], "edges": edges, "counts": counts.tolist()}
