"""Match lines of prompts to clips, and report the lines that are not used."""

import hashlib
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hfv_builder.storage.path_text import FILE, file_name

NUMBERED = re.compile(r"(.+)-\d+", re.DOTALL)
"""Pattern of a clip's name without its suffix, as in VBench: the prompt and the number of the sample."""
NO_TEXT = re.compile("[\0\ud800-\udfff]")
NOT_TEXT = "it is not valid text; save the file as UTF-8"
"""Reason why a line or file with invalid bytes is not used."""
NAMED = 3
"""Largest number of clips that a complaint names."""


class Kind(StrEnum):
    """Reason why a line is not used."""

    UNMATCHED = "unmatched"
    AMBIGUOUS = "ambiguous"
    DUPLICATE = "duplicate"
    EMPTY = "empty"
    MALFORMED = "malformed"


@dataclass(frozen=True, kw_only=True)
class PromptLine:
    """A line of a table, an entry of a list, or a text file: a clip's name and its prompt."""

    line: int | None
    """Number of the line of the table or of the entry of the list, from 1; None for a text file."""
    file: str
    """Name of the clip."""
    prompt: str
    group: str | None = None
    """Prompt group; None computes it from the prompt."""
    text_file: str = ""
    """Path of the text file; empty for a line or an entry."""


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A line that is not used, and the reason."""

    line: int | None
    file: str
    kind: Kind
    reason: str


def malformed(line: int | None, reason: str, file: object = "") -> Complaint:
    """Return the complaint about a line that cannot be read, with the name of its clip if it is valid text."""
    return Complaint(
        line=line, file=file if isinstance(file, str) and is_text(file) else "", kind=Kind.MALFORMED, reason=reason
    )


def is_text(text: str) -> bool:
    """Return whether a text has no surrogates, as invalid bytes become, and no zeros, as in UTF-16 read as UTF-8."""
    return NO_TEXT.search(text) is None


class ClipNames:
    """Index of the clips of a folder by the names that lines may use for them."""

    def __init__(self, names: Iterable[str], *, folder: str) -> None:
        """Index the clips.

        Args:
            names: their paths relative to the folder, or absolute paths and URLs if they have none.
            folder: the absolute path or URL of the folder, which names in lines may start with.
        """
        self._prefix = f"{folder.rstrip('/')}/"
        self._paths: dict[str, tuple[str, ...]] = {}
        self._path_stems: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._name_stems: dict[str, tuple[str, ...]] = {}
        for name in names:
            single, path = (name,), _normal(name)
            base, stem = _normal(file_name(name)), os.path.splitext(path)[0]
            keyed = ((self._paths, path), (self._path_stems, stem), (self._names, base))
            for index, key in (*keyed, (self._name_stems, os.path.splitext(base)[0])):
                index[key] = index[key][:NAMED] + single if key in index else single

    def find(self, file: str) -> tuple[str, ...]:
        """Return the clips that `file` of a line matches; several, but at most four, if it is ambiguous.

        A path relative to the folder matches only this clip. A name without a folder matches the clip in the folder
        itself, else a clip of this name in any folder below. The suffix may be omitted. A name that starts with `./` or
        with the path of the folder is always a path.
        """
        path = _normal(file.strip())
        is_path = path.startswith(("./", self._prefix))
        if not path.startswith(FILE):
            path = posixpath.normpath(path.removeprefix(self._prefix))
        indexes = [self._paths, self._path_stems]
        if not is_path and "/" not in path:
            indexes = [self._paths, self._path_stems, self._names, self._name_stems]
        if "\\" in path and not any(path in index for index in indexes):
            return self.find(file.replace("\\", "/"))
        return next((index[path] for index in indexes if path in index), ())


def match_prompts(lines: Iterable[PromptLine], clips: ClipNames) -> tuple[dict[str, tuple[str, str]], list[Complaint]]:
    """Return the prompts of clips by the lines that name them.

    If lines contradict each other, none of them is used.

    Returns:
        Prompt and prompt group by name of the clip; and complaints about the lines that are not used.
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
                complain(line, Kind.DUPLICATE, f"repeats {_where(first)}")
            else:
                contradicted.add(names[0])
                complain(line, Kind.DUPLICATE, f"contradicts {_where(first)}; neither is used")
    for name in sorted(contradicted):
        complain(taken.pop(name), Kind.DUPLICATE, "a later line contradicts it; neither is used")
    prompts = {name: (line.prompt, line.group or prompt_group(line.prompt)) for name, line in taken.items()}
    return prompts, complaints


def prompt_in_name(name: str) -> str | None:
    """Return the prompt in the name of a clip, `PROMPT-0.mp4`; None if it ends in no number or is not valid UTF-8."""
    if name.startswith(FILE):
        return None
    match = NUMBERED.fullmatch(os.path.splitext(os.path.basename(name))[0])
    return match[1].strip() or None if match else None


def prompt_group(prompt: str) -> str:
    """Return the default group of a prompt: 16 hex digits that do not depend on case, blanks and Unicode form."""
    return hashlib.sha256(" ".join(_normal(prompt).lower().split()).encode()).hexdigest()[:16]


def _normal(text: str) -> str:
    """Return a text in Unicode normal form C, since file systems store different forms of characters such as é."""
    return unicodedata.normalize("NFC", text)


def _where(line: PromptLine) -> str:
    return line.text_file if line.line is None else f"line {line.line}"
