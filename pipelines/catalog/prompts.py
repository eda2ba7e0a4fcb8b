"""Read the prompts of clips from a table, from a folder of text files, or from the names of the clips."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hfv_builder.clips.prompt_entries import parse_json, parse_json_lines
from hfv_builder.clips.prompt_table import parse_table
from hfv_builder.clips.prompts import (
    NOT_TEXT,
    ClipNames,
    Complaint,
    Kind,
    PromptLine,
    is_text,
    malformed,
    match_prompts,
    prompt_group,
    prompt_in_name,
)
from hfv_builder.records import UsageError
from hfv_builder.storage.folders import canonical, name_below, walk
from hfv_builder.storage.path_text import FILE, path_text
from hfv_builder.storage.places import Place, place, reach, read
from pipelines.outcome import SHOWN, paragraphs, table

TEXT = ".txt"
NAMED = "the names of the clips"


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The prompts of a source, its lines that were not used, and the clips that have no prompt there."""

    by_name: dict[str, tuple[str, str]]
    """Prompt and prompt group by path relative to the folder."""
    source: str
    lines: int
    """Number of lines of the table, or of text files; 0 if the prompts are in the names."""
    complaints: list[Complaint]
    without: list[str]
    """Clips without a prompt, sorted."""

    def summary(self) -> dict[str, Any]:
        """Return the counts, complaints and clips without a prompt as values for JSON."""
        kinds = Counter(complaint.kind.value for complaint in self.complaints)
        return {
            "source": self.source,
            "lines": self.lines,
            **{kind.value: kinds[kind.value] for kind in Kind},
            "matched": len(self.by_name),
            "complaints": [asdict(line) | {"kind": line.kind.value} for line in self.complaints],
            "clips_without": self.without,
        }

    def text(self) -> str:
        """Return the summary as text for the terminal."""
        facts = self.summary()
        counts = [{"lines": facts["lines"], "clips with a prompt": facts["matched"], "without": len(self.without)}]
        counts[0] |= {kind.value: facts[kind.value] for kind in Kind}
        unused = [{"line": line.line, "file": line.file, "why": line.reason} for line in self.complaints]
        return paragraphs(
            table(counts, f"prompts from {self.source}:"),
            table(unused, "lines that were not used:", limit=SHOWN),
            table([{"file": name} for name in self.without], "clips without a prompt:", limit=SHOWN),
        )


def read_prompts(source: Place | None, folder: Place, names: Iterable[str]) -> Prompts:
    """Return the prompts of the clips of a folder.

    Args:
        source: a table (CSV, TSV, JSON or JSONL), or a folder with a `.txt` file per clip; None takes the prompts from
            the names of the clips, `PROMPT-0.mp4`.
        folder: the folder of clips.
        names: the paths of the clips relative to the folder.

    Raises:
        UsageError: the source cannot be read, or has no prompt for any clip.
    """
    names = sorted(names)
    lines: list[PromptLine] = []
    malformed_lines: list[Complaint] = []
    if source is None:
        carried = ((name, prompt_in_name(name)) for name in names)
        by_name = {name: (prompt, prompt_group(prompt)) for name, prompt in carried if prompt}
        complaints: list[Complaint] = []
    else:
        clips = ClipNames(names, folder=str(folder))
        lines, malformed_lines = _read(source, clips)
        by_name, complaints = match_prompts(lines, clips)
    complaints = sorted(malformed_lines + complaints, key=lambda line: (line.line or 0, line.file))
    prompts = Prompts(
        by_name=by_name,
        source=NAMED if source is None else str(source),
        lines=len(lines) + len(malformed_lines),
        complaints=complaints,
        without=[name for name in names if name not in by_name],
    )
    if not by_name:
        raise UsageError(_no_prompts(prompts, folder))
    return prompts


def _read(source: Place, clips: ClipNames) -> tuple[list[PromptLine], list[Complaint]]:
    try:
        if reach(source).is_dir():
            return _texts(source)
        data = read(source)
    except OSError as error:
        raise UsageError(f"the prompts in {source} cannot be read: {error.strerror or error}") from None
    suffix, text = source.suffix.lower(), _decoded(data)
    if suffix == ".json":
        return parse_json(text, str(source))
    if suffix in (".jsonl", ".ndjson"):
        return parse_json_lines(text)
    return parse_table(text, str(source), lambda name: bool(clips.find(name)))


def _texts(folder: Place) -> tuple[list[PromptLine], list[Complaint]]:
    """Return the prompts in the text files of a folder, `a.txt` or `a.mp4.txt` for `a.mp4`."""
    lines: list[PromptLine] = []
    complaints: list[Complaint] = []
    links: dict[str, str] = {}
    texts: list[str] = []
    for entry in walk(canonical(folder)):
        if entry.link:
            links[entry.path] = entry.link
        elif entry.status is not None and entry.path.lower().endswith(TEXT):
            texts.append(entry.path)
    for path in texts:
        name = name_below(path, path_text(str(canonical(folder))), links) or path
        prompt = _decoded(read(place(path))).strip()
        if is_text(prompt):
            stem = name[: -len(TEXT)] if name.startswith(FILE) else f"./{name[: -len(TEXT)]}"
            lines.append(PromptLine(line=None, file=stem, prompt=prompt, text_file=name))
        else:
            complaints.append(malformed(None, NOT_TEXT, name))
    return sorted(lines, key=lambda line: line.text_file), complaints


def _decoded(data: bytes) -> str:
    """Return the text of a file; bytes that are not valid become surrogates, which cannot be encoded again."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        odd = len(data) % 2
        return data[: len(data) - odd].decode("utf-16", errors="surrogatepass") + "\udcff" * odd
    return data.decode("utf-8-sig", errors="surrogateescape")


def _no_prompts(prompts: Prompts, folder: Place) -> str:
    """Return the error message for a source without a prompt for any clip."""
    example = prompts.without[0]
    if prompts.source == NAMED:
        return (
            f"no clip in {folder} is named PROMPT-NUMBER, such as 'a man runs-0.mp4'; one is named {example!r}; leave "
            "out --prompts-in-names, or give a table with --prompts"
        )
    if not prompts.lines:
        return f"{prompts.source} contains no prompts; give a table with lines, or a folder with a .txt file per clip"
    first, more = prompts.complaints[0], prompts.lines - 1
    where = f"line {first.line}, {first.file!r}" if first.line else repr(first.file)
    others = f" ({more} more)" if more else ""
    hint = f"; name clips by their paths relative to this folder, such as {example!r}" * (first.kind is Kind.UNMATCHED)
    return f"{prompts.source} has no prompt for any clip in {folder}: {where}: {first.reason}{others}{hint}"
