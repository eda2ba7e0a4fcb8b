"""Topics: the activities and backgrounds that prompts name, from a table of words."""

import re
from collections.abc import Mapping
from importlib import resources

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from hfv_builder.records import UsageError
from hfv_builder.storage.toml_file import parse_toml
from hfv_builder.wording import counted

FILE = "topics.toml"
TOPICS = {"activities": "activity", "backgrounds": "background"}
"""The tables of words, with the field of `hfv select --balance` that each gives."""
Topics = dict[str, dict[str, list[str]]]


def load_topics(text: str | None = None, where: str = FILE) -> Topics:
    """Return the words of each activity and background.

    Args:
        text: of a TOML file with the tables activities and backgrounds, name = ["word", "two words"]; None takes the
            table of the package.
        where: name of the file, for errors.

    Raises:
        UsageError: it is no such file.
    """
    if text is None:
        text = resources.files("hfv_builder.audit").joinpath(FILE).read_text(encoding="utf-8")
    try:
        topics = TypeAdapter(Topics).validate_python(parse_toml(text, where))
    except ValidationError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f'{where}: {reason}; write tables [activities] and [backgrounds] with lines name = ["word"]'
        ) from None
    if missing := [name for name in TOPICS if not topics.get(name)]:
        raise UsageError(f"{where} has no table [{missing[0]}]")
    for topic in TOPICS:
        for name, words in topics[topic].items():
            if not words or not all(map(str.strip, words)):
                raise UsageError(f'{where}: {topic}.{name} has no words: write lines name = ["word", "two words"]')
    return topics


def named(prompts: pd.Series, words: Mapping[str, list[str]]) -> pd.DataFrame:
    """Return which names each prompt contains: a row per prompt, a column of booleans per name.

    A word counts as a whole word, in any case, with the endings -s, -es, -ed and -ing, after a doubled last letter or
    a dropped -e too.
    """
    place, texts = pd.factorize(prompts.fillna("").astype(str))  # generators share prompts
    text = pd.Series(texts, dtype="str")
    found = {}
    for name, of_name in words.items():
        pattern = rf"\b(?:{'|'.join(map(_inflected, of_name))})\b"
        found[name] = text.str.contains(pattern, case=False, regex=True).to_numpy(bool)[place]
    return pd.DataFrame(found, index=prompts.index)


def evenness(counts: npt.NDArray[np.int64]) -> float:
    """Return the entropy of the counts divided by its largest possible value, in [0, 1]; 0 if all are 0."""
    total = counts.sum()
    if not total or len(counts) < 2:
        return 0.0
    parts = counts[counts > 0] / total
    return float((parts * np.log(1 / parts)).sum() / np.log(len(counts)))


def absent_names(counts: pd.Series) -> str:
    """Return the end of a sentence that says which names have no count; empty if all have one."""
    absent = [str(name) for name in counts.index[counts == 0]]
    if not absent:
        return ""
    missing = counted(len(absent), "is missing", "are missing")
    return f"; {missing} ({', '.join(absent[:8])}{', …' if len(absent) > 8 else ''})"


def _inflected(words: str) -> str:
    """Return a pattern for the words, of which the first may be inflected as a verb and the last as a noun."""
    first, *rest = words.split()
    parts = [_verb(first), *map(re.escape, rest)]
    if rest:
        parts[-1] += "(?:s|es)?"
    return r"\s+".join(parts)


def _verb(word: str) -> str:
    escaped = re.escape(word)
    if word.endswith("e"):
        return rf"{escaped[:-1]}(?:e|es|ed|ing)"
    if word.endswith("y"):
        return rf"{escaped[:-1]}(?:y|ys|ies|ied|yed|ying)"
    return rf"{escaped}{re.escape(word[-1])}?(?:s|es|ed|ing)?"
