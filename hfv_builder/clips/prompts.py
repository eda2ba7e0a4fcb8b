"""Prompts of clips: which line names which clip, and what becomes of every line."""

import hashlib
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

NUMBERED = re.compile(r"(.+)-\d+", re.DOTALL)
"""The name of a clip without its suffix, after VBench: the prompt and the number of the sample."""
SURROGATE = re.compile("[\ud800-\udfff]")
NAMED = 3
"""Clips that a complaint names."""


class Kind(StrEnum):
    """Why a line gives no clip its prompt."""

    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    DUPLICATE = "duplicate"
    EMPTY = "empty"
    MALFORMED = "malformed"


@dataclass(frozen=True, kw_only=True)
class PromptLine:
    """A line of a table, an entry of a list, or a text file: a clip's name and its prompt."""

    line: int | None
    """The line of the table or the entry of the list, from 1; None of a text file."""
    file: str
    """The name that it gives the clip."""
    prompt: str
    group: str | None = None
    """Clips of one group share it; None makes the group out of the prompt."""
    text_file: str = ""
    """The path of the text file that it is, if it is one."""


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A line that gives no clip its prompt, and why."""

    line: int | None
    file: str
    kind: Kind
    reason: str


def malformed(line: int | None, reason: str, file: object = "") -> Complaint:
    """Return the complaint about a line that cannot be read, with the name of its clip as far as that is text."""
    return Complaint(
        line=line, file=file if isinstance(file, str) and is_text(file) else "", kind=Kind.MALFORMED, reason=reason
    )


def is_text(text: str) -> bool:
    """Return whether it can be written as UTF-8: bytes that were not valid, and halves of a character, cannot."""
    return SURROGATE.search(text) is None


class ClipNames:
    """The clips of a folder by the names that lines may give them."""

    def __init__(self, names: Iterable[str], *, folder: str) -> None:
        """Index the clips.

        Args:
            names: their paths below the folder, or whole paths where they are elsewhere.
            folder: the absolute path or URL of the folder, which lines may begin with.
        """
        self._prefix = f"{folder.rstrip('/')}/"
        self._paths: dict[str, tuple[str, ...]] = {}
        self._path_stems: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._name_stems: dict[str, tuple[str, ...]] = {}
        for name in names:
            alone, path = (name,), _normal(name)
            base, stem = os.path.basename(path), os.path.splitext(path)[0]
            keyed = ((self._paths, path), (self._path_stems, stem), (self._names, base))
            for index, key in (*keyed, (self._name_stems, os.path.basename(stem))):
                index[key] = index[key][:NAMED] + alone if key in index else alone

    def find(self, file: str) -> tuple[str, ...]:
        """Return the clips that a line means by `file`; several if that is ambiguous, four at most.

        A path below the folder means that clip alone. A name without a folder means the clip in the folder itself,
        else the only one of that name below it. The suffix may be left out. `./` or an absolute path in front leaves
        only the path below the folder.
        """
        path = _normal(file.strip())
        whole = path.startswith(("./", self._prefix))
        path = posixpath.normpath(path.removeprefix(self._prefix))
        indexes = [self._paths, self._path_stems]
        if not whole and "/" not in path:
            indexes = [self._paths, self._path_stems, self._names, self._name_stems]
        if "\\" in path and not any(path in index for index in indexes):
            return self.find(file.replace("\\", "/"))
        return next((index[path] for index in indexes if path in index), ())


def match_prompts(lines: Iterable[PromptLine], clips: ClipNames) -> tuple[dict[str, tuple[str, str]], list[Complaint]]:
    """Give each clip the prompt of the one line that names it.

    Lines that contradict each other about a clip give it none.

    Returns:
        Prompt and prompt group by name of the clip; and the lines that gave none.
    """
    taken: dict[str, PromptLine] = {}
    contradicted: set[str] = set()
    complaints: list[Complaint] = []

    def complain(line: PromptLine, kind: Kind, reason: str) -> None:
        complaints.append(Complaint(line=line.line, file=line.text_file or line.file, kind=kind, reason=reason))

    for line in lines:
        names = clips.find(line.file)
        if not names:
            complain(line, Kind.UNMATCHED, "no clip has this name")
        elif len(names) > 1:
            more = ", …" if len(names) > NAMED else ""
            complain(line, Kind.AMBIGUOUS, f"several clips have this name: {', '.join(names[:NAMED])}{more}")
        elif not line.prompt.strip():
            complain(line, Kind.EMPTY, "its prompt is empty")
        elif (first := taken.setdefault(names[0], line)) is not line:
            if (first.prompt, first.group) == (line.prompt, line.group):
                complain(line, Kind.DUPLICATE, f"says the same as {_where(first)}")
            else:
                contradicted.add(names[0])
                complain(line, Kind.DUPLICATE, f"contradicts {_where(first)}; neither is used")
    for name in sorted(contradicted):
        complain(taken.pop(name), Kind.DUPLICATE, "a later line contradicts it; neither is used")
    prompts = {name: (line.prompt, line.group or prompt_group(line.prompt)) for name, line in taken.items()}
    return prompts, complaints


def prompt_in_name(name: str) -> str | None:
    """Return the prompt that the name of a clip carries, `PROMPT-0.mp4`; None if it ends in no number."""
    match = NUMBERED.fullmatch(os.path.splitext(os.path.basename(name))[0])
    return match[1].strip() or None if match else None


def prompt_group(prompt: str) -> str:
    """Return the group of a prompt that names none: 16 hex digits, the same whatever its case and blanks."""
    return hashlib.sha256(" ".join(prompt.lower().split()).encode()).hexdigest()[:16]


def _normal(name: str) -> str:
    """One spelling of characters that have several, as é has; file systems differ in which they keep."""
    return unicodedata.normalize("NFC", name)


def _where(line: PromptLine) -> str:
    return line.text_file if line.line is None else f"line {line.line}"
