"""The outcome of a stage: a text for the terminal, a summary for programs, an exit code and a run report."""

import json
import math
import shutil
import sys
import textwrap
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from tabulate import tabulate

from hfv_builder.records import DONE
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.path_text import printable
from hfv_builder.storage.places import Place, put, writable
from pipelines.versions import versions

SHOWN = 10
"""Number of rows of a list to print; the others are counted."""
NARROWEST = 30
"""Number of characters to which the widest column of a table can be wrapped."""


@dataclass(kw_only=True)
class Outcome:
    """The outcome of a stage."""

    summary: dict[str, Any]
    """The results, JSON-serialisable."""
    text: str
    """The results as text for the terminal."""
    exit_code: int = DONE
    details: dict[str, pa.Table] = field(default_factory=dict)
    """Long lists by name: included in the JSON, printed only with `--verbose`, and left out of run reports."""
    started: float = field(default_factory=time.time)

    def json(self) -> str:
        """Return the summary and the details as one JSON object."""
        values = self.summary | {name: rows.to_pylist() for name, rows in self.details.items()}
        return json.dumps(_without_nan(values), default=str)

    def terminal(self, *, verbose: bool = False) -> str:
        """Return the text, with the details if `verbose`; control characters are escaped."""
        lists = self.details.items() if verbose else ()
        text = paragraphs(self.text, *(table(rows.to_pylist(), f"{name.replace('_', ' ')}:") for name, rows in lists))
        return printable(text, keep="\n")


def table(rows: list[dict[str, Any]], title: str = "", *, limit: int | None = None) -> str:
    """Return the rows as a text table below a title; empty if there are no rows.

    Args:
        rows: the rows, with the same keys.
        title: the line above the table.
        limit: number of rows to show; the others are counted in a last line. None shows all.
    """
    if not rows:
        return ""
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows[:limit]]
    names = dict.fromkeys(name for row in cells for name in row)
    texts = [place for place, name in enumerate(names) if any(isinstance(row.get(name), str) for row in cells)]

    def drawn() -> list[str]:
        # A text such as the name 007 is no number.
        text = tabulate(cells, headers="keys", tablefmt="simple", missingval="–", disable_numparse=texts)
        return ["  " + line for line in text.splitlines()]

    lines = drawn()
    excess = len(lines[1]) - _terminal_width()
    if excess > 0 and texts:
        sizes = {name: max(len(str(row.get(name) or "")) for row in cells) for name in names}
        widest = max((list(names)[place] for place in texts), key=lambda name: sizes[name])
        _wrap(cells, widest, max(sizes[widest] - excess, NARROWEST))
        lines = drawn()
    if limit is not None and len(rows) > limit:
        lines.append(f"  … and {len(rows) - limit} more")
    return "\n".join([title] * bool(title) + lines)


def _terminal_width() -> int:
    """Return the width of the terminal; unlimited if the output goes to a file or a program, which want whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _wrap(cells: list[dict[str, Any]], name: str, width: int) -> None:
    """Wrap the texts of a column between words, so that paths and ids stay whole."""
    for row in cells:
        if isinstance(row.get(name), str):
            row[name] = textwrap.fill(row[name], width, break_long_words=False, break_on_hyphens=False)


def _cell(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else _without_nan(value)


def _without_nan(value: Any) -> Any:
    """Return the value with None in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _without_nan(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(own) for own in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def paragraphs(*parts: str) -> str:
    """Return the parts that are not empty, separated by blank lines."""
    return "\n\n".join(part for part in parts if part)


def record(manifests: Manifests, stage: str, outcome: Outcome) -> Place:
    """Write the run report with summary, time and versions to `runs/{time}-{stage}.json`, and return its path."""
    ended = datetime.now(UTC)
    report = {
        "stage": stage,
        "started_at": datetime.fromtimestamp(outcome.started, UTC).isoformat(),
        "seconds": round(ended.timestamp() - outcome.started, 3),
        "versions": versions(),
        **outcome.summary,
    }
    folder = writable(manifests.root / "runs")
    path = folder / f"{ended.strftime('%Y%m%dT%H%M%S%f')}-{stage}.json"
    put(path, json.dumps(_without_nan(report), indent=2, default=str))
    return path
