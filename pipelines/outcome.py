"""What a stage ends with: the same facts for a person, for a program and for the record."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tabulate import tabulate

from hfv_builder.records import DONE
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, put, writable
from pipelines.versions import versions

SHOWN = 10
"""Rows of a list that are printed; the rest is counted."""


@dataclass(kw_only=True)
class Outcome:
    """The end of a stage."""

    summary: dict[str, Any]
    """The facts, as JSON can hold them."""
    text: str
    """The same, for the terminal."""
    exit_code: int = DONE
    started: float = field(default_factory=time.time)


def table(rows: list[dict[str, Any]], title: str = "", *, limit: int | None = None) -> str:
    """The rows as a plain table under its title, numbers to the right; nothing at all if there are none.

    With a limit only the first rows are shown, and the others counted.
    """
    if not rows:
        return ""
    lines = tabulate(rows[:limit], headers="keys", tablefmt="simple", missingval="–").splitlines()
    if limit is not None and len(rows) > limit:
        lines.append(f"… and {len(rows) - limit} more")
    return "\n".join([title] * bool(title) + ["  " + line for line in lines])


def paragraphs(*parts: str) -> str:
    """The parts that say something, a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def record(manifests: Manifests, stage: str, outcome: Outcome) -> Place:
    """Write the run report, `runs/{time}-{stage}.json`: the summary, and when and with what it ran."""
    ended = datetime.now(UTC)
    report = {
        "stage": stage,
        "started_at": datetime.fromtimestamp(outcome.started, UTC).isoformat(),
        "seconds": round(ended.timestamp() - outcome.started, 3),
        "versions": versions(),
        **outcome.summary,
    }
    folder = writable(manifests.root / "runs")
    path = folder / f"{ended.strftime('%Y%m%dT%H%M%S%f')[:-3]}-{stage}.json"
    put(path, json.dumps(report, indent=2, default=str))
    return path
