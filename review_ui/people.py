"""Statistics of reviewers for the dashboard: number of clips, pace and agreement."""

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
from review_ui.settings import AGAIN, MARKS
from review_ui.shares import share_of

PAUSE_S = 180.0
"""Seconds; a longer gap between two decisions counts as a break."""
RECENT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """One reviewer's answers to one clip, from the first to the final answer."""

    reviewer: str
    clip_id: str
    kind: Kind
    answers: list[Decision]

    @property
    def blind(self) -> bool:
        """Whether the first answer was given before the suggestion was shown."""
        return self.answers[0].blind

    @property
    def revisit(self) -> bool:
        """Whether the reviewer changed or confirmed an answer of theirs that they knew."""
        return self.answers[-1].queue in AGAIN

    @property
    def marks(self) -> bool:
        """Whether this is the second pass, in which the reviewer says when and where the anomaly is."""
        return self.answers[-1].queue == MARKS

    @property
    def first(self) -> int | None:
        """The code of the first answer."""
        return answer_code(self.answers[0], self.kind)

    @property
    def last(self) -> int | None:
        """The code of the final answer."""
        return answer_code(self.answers[-1], self.kind)

    @property
    def ended(self) -> float:
        """The time of the final answer in seconds since 1970."""
        return self.answers[-1].created_at / 1e6

    @property
    def seconds(self) -> float | None:
        """The time spent on all answers; None if it was not measured."""
        known = [decision.seconds for decision in self.answers if decision.seconds is not None]
        return sum(known) if known else None


def sittings(decisions: list[Decision], clips: Clips) -> Iterable[Sitting]:
    """Yield the sittings that end with an answer that counts; a repeat is a separate sitting.

    Args:
        decisions: all decisions, undos included, sorted by `Decision.order`.
        clips: the clips; decisions on other clips are ignored.
    """
    taken_back = undone(decisions)
    begun: dict[tuple[str, str], list[Decision]] = {}
    for decision in decisions:
        row = clips.row.get(decision.clip_id)
        is_vote = decision.role == REVIEWER and decision.decision is not None
        if row is None or not is_vote or decision.decision_id in taken_back:
            continue
        key = (decision.reviewer, decision.clip_id)
        if decision.blind:
            begun.pop(key, None)  # a first answer without a final one
        begun.setdefault(key, []).append(decision)
        if decision.final:
            kind = clips.kinds[row]
            sitting = Sitting(reviewer=key[0], clip_id=key[1], kind=kind, answers=begun.pop(key))
            if sitting.last is not None:
                yield sitting


def first_sittings(seated: list[Sitting]) -> Iterable[Sitting]:
    """Return the first sitting of each reviewer on each clip; before later ones the suggestion has been shown."""
    return {(sitting.reviewer, sitting.clip_id): sitting for sitting in reversed(seated)}.values()


def hourly(times: list[float], now: float) -> float | None:
    """Return the decisions per hour of work, without breaks; None if there are too few.

    These are the decisions of the last hour; if there are none, the last 200.

    Args:
        times: times of decisions in seconds since 1970.
        now: the current time in seconds since 1970.
    """
    recent = sorted(time for time in times if time > now - RECENT_S) or sorted(times)[-200:]
    gaps = np.diff(recent)
    worked = gaps[gaps < PAUSE_S]
    return None if len(worked) < 2 or worked.sum() <= 0 else float(len(worked) / worked.sum() * 3600)


def reviewers(seated: list[Sitting], final: pd.DataFrame, now: float) -> list[dict[str, Any]]:
    """Return the statistics of each reviewer, sorted by descending number of sittings.

    Args:
        seated: all sittings.
        final: the output of `final_labels.final_labels`.
        now: the current time in seconds since 1970.
    """
    settled = final[final["adjudicated"] | ((final["votes"] > 1) & final["outcome"].eq(MAJORITY))]
    truth = {
        clip_id: LEFT_OUT if rejected else label
        for clip_id, rejected, label in zip(settled["clip_id"], settled["rejected"], settled["label"], strict=True)
    }
    by_name: dict[str, list[Sitting]] = defaultdict(list)
    for sitting in seated:
        by_name[sitting.reviewer].append(sitting)
    rows = []
    for name, of_reviewer in sorted(by_name.items(), key=lambda entry: -len(entry[1])):
        labelling = [s for s in of_reviewer if not s.marks]
        checked = [s.last == truth[s.clip_id] for s in labelling if s.clip_id in truth and s.last != NOT_SURE]
        repeated = repeats(of_reviewer)
        durations = [s.seconds for s in labelling if s.seconds is not None]
        rows.append(
            {
                "name": name,
                "clips": len({s.clip_id for s in of_reviewer}),
                "per_hour": hourly([s.ended for s in labelling], now),
                "seconds": float(np.median(durations)) if durations else None,
                "unsure": share_of(sum(s.last == NOT_SURE for s in labelling), len(labelling)),
                "rejected": share_of(sum(s.last == LEFT_OUT for s in labelling), len(labelling)),
                "changed": changed(of_reviewer),
                "with_final": share_of(sum(checked), len(checked)),
                "with_self": share_of(sum(repeated), len(repeated)),
            }
        )
    return rows


def changed(of_reviewer: list[Sitting]) -> dict[str, Any]:
    """Return the share of blind first answers that were changed after the suggestion was shown."""
    blind = [s for s in of_reviewer if s.blind and len(s.answers) > 1]
    return share_of(sum(s.last != s.first for s in blind), len(blind))


def repeats(of_reviewer: list[Sitting]) -> list[bool]:
    """Return, for each clip that one reviewer answered again, whether the first answers of both sittings are equal."""
    before: dict[str, int | None] = {}
    same = []
    for sitting in of_reviewer:
        first = sitting.first
        if sitting.clip_id in before and not sitting.revisit:
            same.append(before[sitting.clip_id] == first)
        before[sitting.clip_id] = first
    return same


def agreements(seated: list[Sitting]) -> dict[str, Any]:
    """Return the agreement of reviewers on blind first answers (`blind`) and on final answers (`standing`)."""
    return {
        "blind": asdict(
            agreement(_counts((s.reviewer, s.clip_id, s.first) for s in first_sittings(seated) if s.blind))
        ),
        "standing": asdict(agreement(_counts((s.reviewer, s.clip_id, s.last) for s in seated))),
    }


def _counts(given: Iterable[tuple[str, str, int | None]]) -> npt.NDArray[np.int64]:
    """Return how often each answer was given to each clip, (clips, answers); a reviewer's latest answer counts."""
    latest = {(reviewer, clip_id): answer for reviewer, clip_id, answer in given}
    rows: dict[str, int] = {}
    pairs = [(rows.setdefault(c, len(rows)), a) for (_, c), a in latest.items() if a not in (None, NOT_SURE)]
    counts = np.zeros((len(rows), len(ANSWERS)), np.int64)
    if pairs:
        np.add.at(counts, tuple(np.array(pairs).T), 1)
    return counts


def pairs(seated: list[Sitting]) -> list[dict[str, Any]]:
    """Return the agreement of every pair of reviewers on the clips that both answered, for the 60 largest pairs."""
    standing: dict[str, dict[str, int | None]] = defaultdict(dict)
    for sitting in seated:
        standing[sitting.reviewer][sitting.clip_id] = sitting.last
    sure = {name: {clip: code for clip, code in own.items() if code != NOT_SURE} for name, own in standing.items()}
    agreeing: list[dict[str, Any]] = []
    for a, b in combinations(sorted(sure), 2):
        both = sure[a].keys() & sure[b].keys()
        if both:
            equal = share_of(sum(sure[a][clip_id] == sure[b][clip_id] for clip_id in both), len(both))
            shown = {"clips": equal["n"], "percent": equal["share"], "from": equal["from"], "to": equal["to"]}
            agreeing.append({"a": a, "b": b} | shown)
    return sorted(agreeing, key=lambda pair: -int(pair["clips"]))[:60]


def seconds(seated: list[Sitting]) -> dict[str, Any]:
    """Return the median, the quartiles and a histogram of the seconds per clip."""
    durations = np.array([s.seconds for s in seated if s.seconds is not None and not s.marks])
    edges = [0, 2, 4, 6, 8, 10, 15, 20, 30, 60]
    if len(durations) == 0:
        return {"n": 0, "median": None, "quartiles": None, "edges": edges, "counts": [0] * len(edges)}
    counts, _ = np.histogram(durations, [*edges, np.inf])
    low, median, high = np.quantile(durations, [0.25, 0.5, 0.75])
    spread = {"n": len(durations), "median": float(median), "quartiles": [float(low), float(high)]}
    return spread | {"edges": edges, "counts": counts.tolist()}
