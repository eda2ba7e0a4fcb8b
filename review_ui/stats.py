"""All statistics of the dashboard, and the progress of the review."""

import asyncio
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.labelling.decisions import ANSWERS, Decision
from hfv_builder.labelling.final_labels import DONE, final_labels
from hfv_builder.records import Label, Split
from review_ui.clips import NONE, Clips
from review_ui.daily import days
from review_ui.desk import Desk
from review_ui.details import marks, strengths
from review_ui.people import agreements, hourly, pairs, reviewers, seconds, sittings
from review_ui.quality import by_generator, confusion, margins, pull
from review_ui.settings import Settings
from review_ui.stability import stability

FRESH_S = 5.0
"""Seconds for which statistics are reused."""


class Statistics:
    """The statistics of a desk, computed in a thread and cached, so that open dashboards do not slow down reviewers."""

    def __init__(self, desk: Desk) -> None:
        """Make an empty cache."""
        self._desk = desk
        self._made: tuple[int, float, dict[str, Any]] | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> dict[str, Any]:
        """Return the output of `statistics`, at most `FRESH_S` seconds old."""
        async with self._lock:
            version, now = self._desk.version, time.time()
            if self._made is None or (self._made[0] != version and not 0 <= now - self._made[1] <= FRESH_S):
                desk = self._desk
                made = await asyncio.to_thread(statistics, desk.clips, desk.decisions(), desk.settings, now)
                self._made = (version, now, made)
            return self._made[2]


def statistics(clips: Clips, decisions: list[Decision], settings: Settings, now: float) -> dict[str, Any]:
    """Return all statistics as a JSON-serialisable dictionary.

    Args:
        clips: the clips of the review.
        decisions: all decisions, undos included, sorted by `Decision.order`.
        settings: the settings of the review.
        now: the current time in seconds since 1970.
    """
    final = final_labels(clips.labels(), decisions, overlap=settings.overlap)
    done = np.asarray(final["outcome"].isin(DONE), bool)
    seated = list(sittings(decisions, clips))
    pace = hourly([sitting.ended for sitting in seated if not sitting.marks], now)
    is_open = ~done & ~clips.failed
    votes_left = int((settings.overlap - final["votes"].to_numpy(np.int64))[is_open].sum())
    return {
        "total": int((~clips.failed).sum()),
        "done": int((done & ~clips.failed).sum()),
        "failed": int(clips.failed.sum()),
        "rejected": int(final["rejected"].sum()),
        "disputed": int(final["disputed"].sum()),
        "overlap": settings.overlap,
        "per_hour": pace,
        "hours_left": votes_left / pace if pace else None,
        "progress": progress(clips, done),
        "reviewers": reviewers(seated, final, now),
        "agreement": agreements(seated),
        "pairs": pairs(seated),
        "confusion": confusion(clips, final),
        "margins": margins(clips, final),
        "generators": by_generator(clips, final),
        "pull": pull(seated, clips),
        "seconds": seconds(seated),
        "days": days(seated),
        "stability": stability(clips),
        "strengths": strengths(seated, clips),
        "marks": marks(seated, decisions),
        "answers": list(ANSWERS),
    }


def progress(clips: Clips, done: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the number of clips and of finished clips for each generator, automatic label and split."""
    frame = pd.DataFrame({"generator": clips.generator, "label": clips.auto_label, "split": clips.split, "done": done})
    grouped = frame[~clips.failed].groupby(["generator", "label", "split"])["done"].agg(["size", "sum"])
    return [
        {
            "generator": clips.generators[generator],
            "label": None if label == NONE else str(Label(label)),
            "split": None if split == NONE else list(Split)[split].value,
            "total": int(row["size"]),
            "done": int(row["sum"]),
        }
        for (generator, label, split), row in zip(grouped.index.to_list(), grouped.to_dict("records"), strict=True)
    ]
