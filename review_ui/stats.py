"""The dashboard's figures: progress, pace, agreement, and how good the automatic labels are."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.agreement import agreement
from hfv_builder.records import Label, Split
from hfv_builder.reviews import ABSTAIN, ADJUDICATOR, ANSWERS, final_labels
from review_ui.clips import NONE, Clips
from review_ui.decision import Decision, code
from review_ui.desk import Desk
from review_ui.exports import as_table
from review_ui.settings import Settings

FRESH_S = 5.0
"""For how long figures are given out again."""
PAUSE_S = 180.0
"""A longer gap between two decisions is not work."""
RECENT_S = 3600.0
DECILES = 10
LABELS = [str(label) for label in Label]


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """One reviewer's answers to one clip, from the first to the one that closed it."""

    reviewer: str
    clip_id: str
    first: Decision
    last: Decision
    seconds: float | None


class Statistics:
    """The figures of a desk, made in a thread and kept for a moment: a crowd of dashboards costs no reviewer."""

    def __init__(self, desk: Desk) -> None:
        """Nothing is reckoned yet."""
        self._desk = desk
        self._made: tuple[tuple[int, int], float, dict[str, Any]] | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> dict[str, Any]:
        """The figures."""
        async with self._lock:
            version, now = self._desk.version, time.time()
            if self._made is None or (self._made[0] != version and now - self._made[1] > FRESH_S):
                desk = self._desk

                def work() -> dict[str, Any]:
                    return statistics(desk.clips, desk.store.decisions(), desk.settings, now)

                self._made = (version, now, await asyncio.to_thread(work))
            return self._made[2]


def statistics(
    clips: Clips, decisions: list[tuple[Decision, str | None]], settings: Settings, now: float
) -> dict[str, Any]:
    """All figures, as JSON holds them; `now` in seconds since 1970."""
    auto = pd.array(np.where(clips.auto_label == NONE, 0, clips.auto_label), "Int32")
    auto[clips.auto_label == NONE] = pd.NA
    labels = pd.DataFrame({"clip_id": clips.ids, "auto_label": auto})
    final = final_labels(labels, as_table(decisions).to_pandas())
    votes = Counter()  # type: Counter[str]
    live = [decision for decision, undone in decisions if undone is None]
    reviews = [decision for decision in live if not decision.reviewer.startswith(ADJUDICATOR)]
    votes.update(clip_id for clip_id, _ in {(d.clip_id, d.reviewer) for d in reviews})
    done = final["adjudicated"].to_numpy() | (labels["clip_id"].map(votes).fillna(0).to_numpy() >= settings.overlap)
    seated = list(sittings(reviews))
    pace = hourly([d.created_at / 1e6 for d in reviews if d.final], now)
    left = int((~done & ~clips.failed).sum())
    return {
        "total": int((~clips.failed).sum()),
        "done": int((done & ~clips.failed).sum()),
        "failed": int(clips.failed.sum()),
        "rejected": int(final["rejected"].sum()),
        "disputed": int(final["disputed"].sum()),
        "overlap": settings.overlap,
        "per_hour": pace,
        "hours_left": left * settings.overlap / pace if pace else None,
        "progress": progress(clips, done),
        "reviewers": reviewers(seated, final, clips, now),
        "agreement": agreements(seated),
        "pairs": pairs(seated),
        "confusion": confusion(clips, final),
        "margins": margins(clips, final),
        "pull": pull(seated, clips),
        "seconds": seconds(seated),
        "answers": list(ANSWERS),
    }


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


def progress(clips: Clips, done: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Clips and those done, per generator, automatic label and split."""
    frame = pd.DataFrame({"generator": clips.generator, "label": clips.auto_label, "split": clips.split, "done": done})
    grouped = frame[~clips.failed].groupby(["generator", "label", "split"])["done"].agg(["size", "sum"])
    return [
        {
            "generator": clips.generators[generator],
            "label": None if label == NONE else LABELS[label],
            "split": None if split == NONE else list(Split)[split].value,
            "total": int(row["size"]),
            "done": int(row["sum"]),
        }
        for (generator, label, split), row in zip(grouped.index.to_list(), grouped.to_dict("records"), strict=True)
    ]


def hourly(times: list[float], now: float) -> float | None:
    """Decisions an hour of work in the last hour, or before it if nothing happened in it; pauses do not count."""
    recent = sorted(time for time in times if time > now - RECENT_S) or sorted(times)[-200:]
    gaps = np.diff(recent)
    worked = gaps[gaps < PAUSE_S]
    return None if len(worked) < 2 or worked.sum() <= 0 else float(len(worked) / worked.sum() * 3600)


def reviewers(seated: list[Sitting], final: pd.DataFrame, clips: Clips, now: float) -> list[dict[str, Any]]:
    """What each reviewer did, most first."""
    settled = final[final["adjudicated"] | (final["reviewers"] > 1)]
    truth = {
        clip_id: len(LABELS) if rejected else label
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


def confusion(clips: Clips, final: pd.DataFrame) -> dict[str, list[list[int]]]:
    """Per generator, and for all: rows automatic labels, columns final labels and rejected, of clips with a review."""
    reviewed = (final["label_source"] == "review").to_numpy() & (clips.auto_label != NONE)
    given = final["label"].fillna(0).to_numpy(np.int64)
    settled = np.where(final["rejected"], len(LABELS), given)
    found = {}
    for number, name in [(None, ""), *enumerate(clips.generators)]:
        rows = reviewed if number is None else reviewed & (clips.generator == number)
        matrix = np.zeros((len(LABELS), len(ANSWERS)), np.int64)
        np.add.at(matrix, (clips.auto_label[rows], settled[rows]), 1)
        if rows.any():
            found[name] = matrix.tolist()
    return found


def margins(clips: Clips, final: pd.DataFrame) -> list[dict[str, Any]]:
    """Share of automatic labels that reviews upheld, by decile of the margin over all ranked clips."""
    ranked = np.flatnonzero(clips.margin != NONE)
    if len(ranked) == 0:
        return []
    # By place, not by value: margins are small whole numbers, and equal ones would leave deciles empty.
    ordered = ranked[np.argsort(clips.margin[ranked], kind="stable")]
    reviewed = (final["label_source"] == "review").to_numpy()
    upheld = (final["label"].fillna(NONE).to_numpy(np.int64) == clips.auto_label) & ~final["rejected"].to_numpy()
    rows = []
    for number, part in enumerate(np.array_split(ordered, DECILES)):
        seen = part[reviewed[part]]
        low, high = wilson(int(upheld[seen].sum()), len(seen))
        rows.append(
            {
                "decile": number + 1,
                "low": int(clips.margin[part].min()) if len(part) else None,
                "high": int(clips.margin[part].max()) if len(part) else None,
                "clips": len(seen),
                "upheld": float(upheld[seen].mean()) if len(seen) else None,
                "from": low,
                "to": high,
            }
        )
    return rows


def pull(seated: list[Sitting], clips: Clips) -> dict[str, Any]:
    """How often first answers equal the suggestion, given blind and given with it in view."""
    found: dict[str, Any] = {}
    for name in ("blind", "shown"):
        same = []
        for sitting in seated:
            row = clips.row.get(sitting.clip_id)
            if row is None or clips.auto_label[row] == NONE or sitting.first.blind != (name == "blind"):
                continue
            same.append(code(sitting.first) == clips.auto_label[row])
        low, high = wilson(sum(same), len(same))
        found[name] = {"clips": len(same), "same": sum(same) / len(same) if same else None, "from": low, "to": high}
    return found


def seconds(seated: list[Sitting]) -> dict[str, Any]:
    """Time per clip: quartiles, and how many clips took how long."""
    took = np.array([s.seconds for s in seated if s.seconds is not None])
    edges = [0, 2, 4, 6, 8, 10, 15, 20, 30, 60]
    if len(took) == 0:
        return {"median": None, "quartiles": None, "edges": edges, "counts": [0] * len(edges)}
    counts, _ = np.histogram(took, [*edges, np.inf])
    low, median, high = np.quantile(took, [0.25, 0.5, 0.75])
    return {"median": float(median), "quartiles": [float(low), float(high)], "edges": edges, "counts": counts.tolist()}


def wilson(hits: int, trials: int) -> tuple[float | None, float | None]:
    """95 % interval of a share (Wilson 1927)."""
    if trials == 0:
        return None, None
    z, share = 1.96, hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * ((share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5)
    return middle - half, middle + half
