"""The dashboard's figures of reviewers: who did what, how fast, and how far they agree with each other."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.labelling.agreement import agreement
from hfv_builder.labelling.decisions import ANSWERS, LEFT_OUT, NOT_SURE, REVIEWER, Decision, Kind, answer_code
from hfv_builder.labelling.final_labels import MAJORITY, undone
from review_ui.clips import Clips

PAUSE_S = 180.0
"""A longer gap between two decisions is not work."""
RECENT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """One reviewer's answers to one clip, from the first to the final one."""

    reviewer: str
    clip_id: str
    kind: Kind
    answers: list[Decision]

    @property
    def blind(self) -> bool:
        """Whether the first answer was given before the suggestion was shown."""
        return self.answers[0].blind

    @property
    def first(self) -> int | None:
        """The code of the first answer."""
        return answer_code(self.answers[0], self.kind)

    @property
    def last(self) -> int | None:
        """The code of the final answer, which the clip can have."""
        return answer_code(self.answers[-1], self.kind)

    @property
    def ended(self) -> float:
        """When the final answer was given, in seconds since 1970."""
        return self.answers[-1].created_at / 1e6

    @property
    def seconds(self) -> float | None:
        """Time taken over all answers."""
        known = [decision.seconds for decision in self.answers if decision.seconds is not None]
        return sum(known) if known else None


def sittings(decisions: list[Decision], clips: Clips) -> Iterable[Sitting]:
    """The sittings that ended with an answer that counts; a repeat is a sitting of its own.

    Args:
        decisions: all decisions, undos too, in their order.
    """
    taken_back = undone(decisions)
    begun: dict[tuple[str, str], list[Decision]] = {}
    for decision in decisions:
        row = clips.row.get(decision.clip_id)
        own = decision.role == REVIEWER and decision.decision is not None
        if row is None or not own or decision.decision_id in taken_back:
            continue
        key = (decision.reviewer, decision.clip_id)
        if decision.blind:
            begun.pop(key, None)  # a first answer that was never kept
        begun.setdefault(key, []).append(decision)
        if decision.final:
            kind = clips.kinds[row]
            sitting = Sitting(reviewer=key[0], clip_id=key[1], kind=kind, answers=begun.pop(key))
            if sitting.last is not None:
                yield sitting


def hourly(times: list[float], now: float) -> float | None:
    """Decisions an hour of work in the last hour, or before it if nothing happened in it; pauses do not count."""
    recent = sorted(time for time in times if time > now - RECENT_S) or sorted(times)[-200:]
    gaps = np.diff(recent)
    worked = gaps[gaps < PAUSE_S]
    return None if len(worked) < 2 or worked.sum() <= 0 else float(len(worked) / worked.sum() * 3600)


def reviewers(seated: list[Sitting], final: pd.DataFrame, now: float) -> list[dict[str, Any]]:
    """What each reviewer did, most first."""
    settled = final[final["adjudicated"] | ((final["votes"] > 1) & final["outcome"].eq(MAJORITY))]
    truth = {
        clip_id: LEFT_OUT if rejected else label
        for clip_id, rejected, label in zip(settled["clip_id"], settled["rejected"], settled["label"], strict=True)
    }
    by_name: dict[str, list[Sitting]] = defaultdict(list)
    for sitting in seated:
        by_name[sitting.reviewer].append(sitting)
    rows = []
    for name, own in sorted(by_name.items(), key=lambda entry: -len(entry[1])):
        checked = [s.last == truth[s.clip_id] for s in own if s.clip_id in truth and s.last != NOT_SURE]
        again = repeats(own)
        took = [s.seconds for s in own if s.seconds is not None]
        rows.append(
            {
                "name": name,
                "clips": len({s.clip_id for s in own}),
                "per_hour": hourly([s.ended for s in own], now),
                "seconds": float(np.median(took)) if took else None,
                "unsure": sum(s.last == NOT_SURE for s in own) / len(own),
                "rejected": sum(s.last == LEFT_OUT for s in own) / len(own),
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
    blind = [s for s in own if s.blind and len(s.answers) > 1]
    return sum(s.last != s.first for s in blind) / len(blind) if blind else None


def repeats(own: list[Sitting]) -> list[bool]:
    """Of each clip that one reviewer answered again: whether both first answers were the same."""
    before: dict[str, int | None] = {}
    same = []
    for sitting in own:
        given = sitting.first
        if sitting.clip_id in before:
            same.append(before[sitting.clip_id] == given)
        before[sitting.clip_id] = given
    return same


def agreements(seated: list[Sitting]) -> dict[str, Any]:
    """Between reviewers: of blind first answers, which nobody has swayed, and of the answers they stood by."""
    return {
        "blind": asdict(agreement(_counts((s.reviewer, s.clip_id, s.first) for s in seated if s.blind))),
        "standing": asdict(agreement(_counts((s.reviewer, s.clip_id, s.last) for s in seated))),
    }


def _counts(given: Iterable[tuple[str, str, int | None]]) -> npt.NDArray[np.int64]:
    """How often each answer was given to each clip, a reviewer's latest answer to a clip counting once."""
    latest = {(reviewer, clip_id): answer for reviewer, clip_id, answer in given}
    places: dict[str, int] = {}
    pairs = [(places.setdefault(c, len(places)), a) for (_, c), a in latest.items() if a not in (None, NOT_SURE)]
    counts = np.zeros((len(places), len(ANSWERS)), np.int64)
    if pairs:
        np.add.at(counts, tuple(np.array(pairs).T), 1)
    return counts


def pairs(seated: list[Sitting]) -> list[dict[str, Any]]:
    """Agreement of every two reviewers on the clips that both answered."""
    standing: dict[str, dict[str, int | None]] = defaultdict(dict)
    for sitting in seated:
        if sitting.last != NOT_SURE:
            standing[sitting.reviewer][sitting.clip_id] = sitting.last
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
