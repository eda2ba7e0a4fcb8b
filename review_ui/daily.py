"""The work of each reviewer on each day: answers, pace, and agreement with others on the same clips."""

import io
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.csv

from hfv_builder.labelling.decisions import LEFT_OUT, NOT_SURE
from hfv_builder.wording import percent
from review_ui.exports import plain
from review_ui.people import Sitting, hourly
from review_ui.shares import share_of

COLUMNS = {
    "day": pa.string(),
    "reviewer": pa.string(),
    "answers": pa.int64(),
    "clips": pa.int64(),
    "per_hour": pa.float64(),
    "rejected": pa.int64(),
    "unsure": pa.int64(),
    "doubles": pa.int64(),
    "agreement": pa.float64(),
    "agreement_low": pa.float64(),
    "agreement_high": pa.float64(),
}
"""The columns of the CSV and their types."""


def days(seated: list[Sitting]) -> list[dict[str, Any]]:
    """Return a row per day and reviewer, the latest day first.

    Args:
        seated: all sittings, in the order in which they ended.

    Returns:
        For each row `day` (of UTC, as YYYY-MM-DD), `reviewer`, `answers` (sittings), `clips`, `per_hour` (without
        breaks; None if there are too few answers), `rejected`, `unsure`, and `agreement`, the share of the clips that
        others have answered too on which the reviewer's answer is that of most of the others; see `shares.share_of`.
        Clips on which the others have no most frequent answer do not count, and neither do unsure answers.
    """
    standing: dict[str, dict[str, int | None]] = defaultdict(dict)
    grouped: dict[tuple[str, str], list[Sitting]] = defaultdict(list)
    for sitting in seated:
        standing[sitting.clip_id][sitting.reviewer] = sitting.last
        grouped[datetime.fromtimestamp(sitting.ended, UTC).date().isoformat(), sitting.reviewer].append(sitting)
    rows = []
    for (day, reviewer), own in sorted(grouped.items(), key=lambda entry: (entry[0][0], len(entry[1])), reverse=True):
        latest = {sitting.clip_id: sitting.last for sitting in own}
        times = [sitting.ended for sitting in own]
        same = [
            answer == others
            for clip_id, answer in latest.items()
            if answer != NOT_SURE and (others := _others(standing[clip_id], reviewer)) is not None
        ]
        rows.append(
            {
                "day": day,
                "reviewer": reviewer,
                "answers": len(own),
                "clips": len(latest),
                "per_hour": hourly(times, max(times)),
                "rejected": sum(answer == LEFT_OUT for answer in latest.values()),
                "unsure": sum(answer == NOT_SURE for answer in latest.values()),
                "agreement": share_of(sum(same), len(same)),
            }
        )
    return rows


def _others(answers: dict[str, int | None], reviewer: str) -> int | None:
    """Return the most frequent answer of the other reviewers; None if there is none, or several are."""
    counts = Counter(answer for name, answer in answers.items() if name != reviewer and answer not in (None, NOT_SURE))
    first = counts.most_common(2)
    return None if not first or (len(first) > 1 and first[0][1] == first[1][1]) else first[0][0]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `days` with the columns `COLUMNS`."""
    share = row["agreement"]
    spread = {"doubles": share["n"], "agreement": share["share"]}
    return row | spread | {"agreement_low": share["from"], "agreement_high": share["to"]}


def printed(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `days` for the terminal, its share with n and interval in one cell."""
    share = row["agreement"]
    part, low, high = (None if share[name] is None else percent(share[name], 0) for name in ("share", "from", "to"))
    cell = f"{part} of {share['n']} ({low} to {high})" if share["n"] else None
    pace = None if row["per_hour"] is None else round(row["per_hour"])
    return {name.replace("_", " "): value for name, value in (row | {"per_hour": pace, "agreement": cell}).items()}


def days_csv(rows: list[dict[str, Any]]) -> bytes:
    """Return rows of `days` as CSV with the columns `COLUMNS`."""
    table = pa.Table.from_pylist([flat(row) for row in rows], schema=pa.schema(list(COLUMNS.items())))
    sink = io.BytesIO()
    pyarrow.csv.write_csv(plain(table), sink)
    return sink.getvalue()
