"""What a person hands over: a folder of clips, and perhaps a table of prompts."""

import csv
import hashlib
import os
from pathlib import Path

from hfv_builder.places import FileStatus, Place, reach, walk
from hfv_builder.records import UsageError

TEXT = {
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".txt",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".html",
    ".xml",
    ".log",
    ".srt",
    ".vtt",
}
DATA = {".parquet", ".npy", ".npz", ".pt", ".zip", ".tar", ".png", ".jpg", ".jpeg", ".webp", ".bmp"}
SIDECARS = TEXT | DATA
"""Files that lie beside clips and are none: passed over, and counted."""

Found = dict[str, FileStatus]
"""Files by absolute path or URL."""


def list_clips(folder: Place) -> tuple[Found, list[str]]:
    """The files in the folder and below that may be clips, by absolute path or URL, sorted; and those passed over.

    Hidden files are neither. Links are followed, each folder once.

    Raises:
        UsageError: there is no such folder, it cannot be read, or it holds no clip.
    """
    if not reach(folder).is_dir():
        raise UsageError(
            f"the clips folder {folder} is not there; make it, or name another with --clips DIR (CLIPS=DIR)"
        )
    found: Found = {}
    passed_over: list[str] = []
    try:
        for path, file in walk(folder):
            if file is None or os.path.splitext(path)[1].lower() in SIDECARS:
                passed_over.append(path)
            else:
                found[path] = file
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be read: {error.strerror or error}") from None
    if not found:
        raise UsageError(f"there is no clip in {folder}; put the generator's video files there, or name another folder")
    return dict(sorted(found.items())), sorted(passed_over)


def read_prompts(path: Path) -> dict[str, tuple[str, str]]:
    """Prompt and prompt group by file name or relative path, from a CSV with columns file, prompt[, prompt_group].

    Clips of one prompt without a group form one: a hash of the prompt.

    Raises:
        UsageError: the file cannot be read, or lacks a column or a value.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"file", "prompt"} - set(reader.fieldnames or ())
            if missing:
                raise UsageError(f"{path} has no column {' and '.join(sorted(missing))}; its first line must name them")
            prompts = {}
            for row in reader:
                if row["file"] is None or row["prompt"] is None:
                    raise UsageError(f"line {reader.line_num} of {path} is too short; it must have a file and a prompt")
                prompts[row["file"]] = (row["prompt"], row.get("prompt_group") or _group(row["prompt"]))
            return prompts
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"the prompts in {path} cannot be read: {error}") from None


def _group(prompt: str) -> str:
    return hashlib.sha256(" ".join(prompt.lower().split()).encode()).hexdigest()[:16]
