"""A table of prompts for the clips of a folder."""

import csv
import hashlib
from pathlib import Path

from hfv_builder.records import UsageError


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
