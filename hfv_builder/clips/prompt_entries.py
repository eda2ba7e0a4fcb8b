"""Parse prompts in JSON or JSONL into numbered entries, and complaints about those that cannot be read."""

import json
from collections.abc import Iterable
from typing import Any

from hfv_builder.clips.prompts import Complaint, PromptLine, is_text, malformed
from hfv_builder.records import UsageError

FORMS = 'write [{"file": "a.mp4", "prompt": "…"}, …] or {"a.mp4": "…", …}'


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as pairs: a dict would drop repeated names."""


def parse_json(text: str, name: str) -> tuple[list[PromptLine], list[Complaint]]:
    """Return the entries of a list of objects, or of one object that maps file names to prompts.

    Entries are numbered from 1.

    Args:
        text: the JSON.
        name: the name of the file, for error messages.

    Raises:
        UsageError: the text is not valid JSON, or is neither a list nor an object.
    """
    try:
        data = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name} is not valid JSON at line {error.lineno}: {error.msg}; {FORMS}") from None
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{name} {_unreadable(error)}; {FORMS}") from None
    if isinstance(data, _Pairs):
        data = [_Pairs([("file", file), *_properties(value)]) for file, value in data]
    if not isinstance(data, list):
        raise UsageError(f"{name} is neither a list nor an object; {FORMS}")
    return _entries(enumerate(data, start=1))


def parse_json_lines(text: str) -> tuple[list[PromptLine], list[Complaint]]:
    """Return the objects in the lines of a text, and complaints about other lines. Empty lines are skipped."""
    objects: list[tuple[int, Any]] = []
    complaints: list[Complaint] = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            if line.strip():
                objects.append((number, json.loads(line, object_pairs_hook=_Pairs)))
        except json.JSONDecodeError as error:
            complaints.append(malformed(number, f"it is not valid JSON: {error.msg}, column {error.colno}"))
        except (RecursionError, ValueError) as error:
            complaints.append(malformed(number, f"it {_unreadable(error)}"))
    lines, more = _entries(objects)
    return lines, sorted(complaints + more, key=lambda complaint: complaint.line or 0)


def _unreadable(error: Exception) -> str:
    """Return the reason why valid JSON cannot be read; Python limits the digits of integers."""
    return "is nested too deeply" if isinstance(error, RecursionError) else "has an integer with too many digits"


def _properties(value: Any) -> _Pairs:
    return value if isinstance(value, _Pairs) else _Pairs([("prompt", value)])


def _entries(objects: Iterable[tuple[int, Any]]) -> tuple[list[PromptLine], list[Complaint]]:
    lines: list[PromptLine] = []
    complaints: list[Complaint] = []
    for number, pairs in objects:
        row = dict(pairs) if isinstance(pairs, _Pairs) else {}
        why = _wrong(pairs, row)
        if why is None:
            group = row.get("prompt_group")
            group = None if group is None else str(group).strip() or None
            lines.append(PromptLine(line=number, file=row["file"], prompt=row["prompt"] or "", group=group))
        else:
            complaints.append(malformed(number, why, row.get("file")))
    return lines, complaints


def _wrong(pairs: Any, row: dict[str, Any]) -> str | None:
    """Return the error of an entry; None if it is valid."""
    if not isinstance(pairs, _Pairs):
        return "it is not an object with file and prompt"
    for name in ("file", "prompt"):
        if name not in row:
            return f"it has no {name}"
    for name, kinds in (("file", str), ("prompt", str | None), ("prompt_group", str | int | None)):
        if [other for other, _ in pairs].count(name) > 1:
            return f"it has {name} twice"
        if not isinstance(row.get(name), kinds):
            return f"its {name} is not a string"
        if not is_text(str(row.get(name))):
            return f"its {name} has a lone surrogate or a zero"
    return None if row["file"].strip() else "it names no file"
