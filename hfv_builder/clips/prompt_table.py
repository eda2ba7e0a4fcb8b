"""Parse prompts in CSV or TSV into numbered lines, and complaints about those that cannot be read."""

import csv
import re
from collections.abc import Callable

from hfv_builder.clips.prompts import NOT_TEXT, Complaint, PromptLine, is_text, malformed
from hfv_builder.records import UsageError

DELIMITERS = (",", "\t", ";")
NEEDED = ("file", "prompt")
MAX_LINES = 50
"""Largest number of lines of a quoted cell."""
ENDS = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")
QUOTE = 'put a prompt with a comma or a quote in double quotes, and write a quote inside as ""'
UNCLOSED = "a quote that is opened here is not closed"


def parse_table(text: str, name: str, is_clip: Callable[[str], bool]) -> tuple[list[PromptLine], list[Complaint]]:
    """Return the lines of a table with the columns file, prompt[, prompt_group], and complaints about other lines.

    A line that cannot be read does not affect other lines: after a quote that is not closed, parsing continues at the
    next line.

    Args:
        text: the table; its first line decides whether cells are separated by commas, tabs or semicolons.
        name: the name of the file, for error messages.
        is_clip: returns whether a clip has this name; a line that starts with one ends a quoted cell before it.

    Raises:
        UsageError: the first line does not name the columns.
    """
    lines = ENDS.split(text)
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise UsageError(f"{name} is empty; its first line must name the columns file and prompt")
    columns, delimiter = _header(lines[first], name)
    file = columns.index("file")
    prompts: list[PromptLine] = []
    complaints: list[Complaint] = []
    start = first + 1
    while start < len(lines):
        span = 1
        if lines[start].strip():
            cells, span, why = _record(lines[start : start + MAX_LINES], delimiter)
            quoted = [_cells(line, delimiter) for line in lines[start + 1 : start + span]]
            if any(len(row) == len(columns) and is_clip(row[file]) for row in quoted):
                why = UNCLOSED
            if why := why or _wrong(cells, columns, delimiter):
                complaints.append(malformed(start + 1, why, *_cells(lines[start], delimiter)[file : file + 1]))
                span = 1
            else:
                row = dict(zip(columns, cells, strict=True))
                group = row.get("prompt_group", "").strip() or None
                prompts.append(PromptLine(line=start + 1, file=row["file"], prompt=row["prompt"], group=group))
        start += span
    return prompts, complaints


def _header(line: str, name: str) -> tuple[list[str], str]:
    """Return the column names in lower case, and the delimiter."""
    for delimiter in DELIMITERS:
        columns = [cell.strip().lower() for cell in _cells(line, delimiter)]
        if {*NEEDED} <= {*columns}:
            twice = next((column for column in columns if column and columns.count(column) > 1), None)
            if twice is not None:
                raise UsageError(f"{name} has two columns {twice}; rename one of them in its first line")
            return columns, delimiter
    names = {cell.strip().lower() for delimiter in DELIMITERS for cell in _cells(line, delimiter)}
    missing = [column for column in NEEDED if column not in names] or NEEDED
    raise UsageError(f"{name} has no column {' and '.join(missing)}; its first line must name them")


def _record(lines: list[str], delimiter: str) -> tuple[list[str], int, str | None]:
    """Return the cells of the record that starts at the first line, its number of lines, and its error, if any."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        cells = next(reader)
    except csv.Error as error:
        if "unexpected end" in str(error):
            return [], 1, UNCLOSED
        return [], 1, f"text follows a closing quote; {QUOTE}" if "expected after" in str(error) else str(error)
    span = reader.line_num
    odd = sum(line.count('"') for line in lines[:span]) % 2
    return cells, span, f"it has an odd number of quotes; {QUOTE}" if odd else None


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a single line; empty if it cannot be read."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _wrong(cells: list[str], columns: list[str], delimiter: str) -> str | None:
    """Return the error of the cells of a line; None if they are valid."""
    if not all(map(is_text, cells)):
        return NOT_TEXT
    if len(cells) != len(columns):
        word = "cell" if len(cells) == 1 else "cells"
        return f"it has {len(cells)} {word}, not {len(columns)}" + f"; {QUOTE}" * (len(cells) > len(columns))
    if not cells[columns.index("file")].strip():
        return "it names no file"
    # Without quotes, "A man, a dog" puts " a dog" into the next column.
    prompt, *after = cells[columns.index("prompt") :]
    if delimiter == "," and after and after[0].startswith(" ") and not prompt.startswith(" "):
        return f"the cell after the prompt starts with a blank, as if the prompt had a comma; {QUOTE}"
    return None
