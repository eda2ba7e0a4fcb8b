"""Tables of prompts in CSV or TSV: the lines that can be read, and those that cannot, by line number."""

import csv
import re
from collections.abc import Callable

from hfv_builder.clips.prompts import Complaint, PromptLine, is_text, malformed
from hfv_builder.records import UsageError

DELIMITERS = (",", "\t", ";")
NEEDED = ("file", "prompt")
MAX_LINES = 50
"""Lines that one quoted cell may span."""
ENDS = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")
QUOTE = 'put a prompt with a comma or a quote in double quotes, and write a quote inside as ""'
UNCLOSED = "a quote is opened here and not closed"


def parse_table(text: str, name: str, is_clip: Callable[[str], bool]) -> tuple[list[PromptLine], list[Complaint]]:
    """Return the lines of a table with the columns file, prompt[, prompt_group], and those that cannot be read.

    A line that cannot be read costs no other line: after a quote that is not closed, the next line begins anew.

    Args:
        text: the table; cells are separated by commas, tabs or semicolons, as its first line shows.
        name: what sentences call it.
        is_clip: whether a clip has this name: a line that begins so inside a quoted cell is a line of its own.

    Raises:
        UsageError: its first line does not name the columns.
    """
    lines = ENDS.split(text)
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise UsageError(f"{name} is empty; its first line must name the columns file and prompt")
    columns, delimiter = _header(lines[first], name)
    file = columns.index("file")
    prompts: list[PromptLine] = []
    complaints: list[Complaint] = []
    at = first + 1
    while at < len(lines):
        span = 1
        if lines[at].strip():
            cells, span, why = _record(lines[at : at + MAX_LINES], delimiter)
            swallowed = [_roughly(line, delimiter) for line in lines[at + 1 : at + span]]
            if any(len(row) == len(columns) and is_clip(row[file]) for row in swallowed):
                why = UNCLOSED
            if why := why or _wrong(cells, columns, delimiter):
                complaints.append(malformed(at + 1, why, *_roughly(lines[at], delimiter)[file : file + 1]))
                span = 1
            else:
                row = dict(zip(columns, cells, strict=True))
                group = row.get("prompt_group", "").strip() or None
                prompts.append(PromptLine(line=at + 1, file=row["file"], prompt=row["prompt"], group=group))
        at += span
    return prompts, complaints


def _header(line: str, name: str) -> tuple[list[str], str]:
    """The columns in lower case, and what separates them."""
    for delimiter in DELIMITERS:
        columns = [cell.strip().lower() for cell in _roughly(line, delimiter)]
        if {*NEEDED} <= {*columns}:
            twice = next((column for column in columns if column and columns.count(column) > 1), None)
            if twice is not None:
                raise UsageError(f"{name} has two columns {twice}; rename one of them in its first line")
            return columns, delimiter
    there = {cell.strip().lower() for delimiter in DELIMITERS for cell in _roughly(line, delimiter)}
    missing = [column for column in NEEDED if column not in there] or NEEDED
    raise UsageError(f"{name} has no column {' and '.join(missing)}; its first line must name them")


def _record(lines: list[str], delimiter: str) -> tuple[list[str], int, str | None]:
    """The cells of the record that begins with the first of these lines, how many lines it has, and what is wrong."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        cells = next(reader)
    except csv.Error as error:
        if "unexpected end" in str(error):
            return [], 1, UNCLOSED
        return [], 1, f"text follows a closing quote; {QUOTE}" if "expected after" in str(error) else str(error)
    span = reader.line_num
    odd = sum(line.count('"') for line in lines[:span]) % 2
    return cells, span, f"a quote has no other to pair with; {QUOTE}" if odd else None


def _roughly(line: str, delimiter: str) -> list[str]:
    """The cells of a line as far as it can be read."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _wrong(cells: list[str], columns: list[str], delimiter: str) -> str | None:
    """What is wrong with the cells of a line; None if nothing is."""
    if not all(map(is_text, cells)):
        return "it is not valid UTF-8"
    if len(cells) != len(columns):
        word = "cell" if len(cells) == 1 else "cells"
        return f"it has {len(cells)} {word}, not {len(columns)}" + f"; {QUOTE}" * (len(cells) > len(columns))
    if not cells[columns.index("file")].strip():
        return "it names no file"
    # "A man, a dog" without quotes leaves " a dog" to the next column.
    prompt, *after = cells[columns.index("prompt") :]
    if delimiter == "," and after and after[0].startswith(" ") and not prompt.startswith(" "):
        return f"the cell after the prompt begins with a blank, as if the prompt had a comma; {QUOTE}"
    return None
