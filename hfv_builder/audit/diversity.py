"""Diversity: the activities and backgrounds that the prompts name."""

import re
import tomllib
from collections.abc import Mapping
from importlib import resources

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter, ValidationError
from scipy.stats import chi2_contingency

from hfv_builder.audit.estimates import share
from hfv_builder.audit.finding import Area, Estimate, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.records import UsageError

FILE = "topics.toml"
TOPICS = ("activities", "backgrounds")
LEAST = 20
"""Prompts below which nothing is said."""
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
        topics = TypeAdapter(Topics).validate_python(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f'{where}: {reason}; write tables [activities] and [backgrounds] with lines name = ["word"]'
        ) from None
    if missing := [name for name in TOPICS if not topics.get(name)]:
        raise UsageError(f"{where} has no table [{missing[0]}]")
    return topics


def named(prompts: pd.Series, words: Mapping[str, list[str]]) -> pd.DataFrame:
    """Return which names each prompt contains: a row per prompt, a column of booleans per name.

    A word counts as a whole word, in any case, with the endings -s, -es, -ed and -ing, after a doubled last letter or
    a dropped -e too.
    """
    text = prompts.fillna("").astype(str)
    found = {}
    for name, of_name in words.items():
        pattern = rf"\b(?:{'|'.join(map(_inflected, of_name))})\b"
        found[name] = text.str.contains(pattern, case=False, regex=True).to_numpy(bool)
    return pd.DataFrame(found, index=prompts.index)


def evenness(counts: npt.NDArray[np.int64]) -> float:
    """Return the entropy of the counts divided by its largest possible value, in [0, 1]; 0 if all are 0."""
    total = counts.sum()
    if not total or len(counts) < 2:
        return 0.0
    parts = counts[counts > 0] / total
    return float(-(parts * np.log(parts)).sum() / np.log(len(counts)))


def diversity(clips: pd.DataFrame, topics: Topics) -> Report:
    """Return what the prompts cover.

    Args:
        clips: a row per clip with clip_id, is_real, prompt and split.
        topics: from `load_topics`.
    """
    fake = clips[~clips["is_real"]]
    with_prompt = fake[fake["prompt"].notna()]
    if len(with_prompt) < LEAST:
        why = f"{len(with_prompt)} generated clips have a prompt, and it needs {LEAST}"
        advice = "hfv catalog --generator G --clips DIR --prompts FILE"
        return Report(area=Area.DIVERSITY, findings=(not_computed("clips without a prompt", why, advice=advice),))
    lacking = fake[fake["prompt"].isna()]
    part = share(len(lacking), len(fake))
    says = f"{len(lacking)} of {len(fake)} generated clips have no prompt"
    advice = "hfv catalog --generator G --clips DIR --prompts FILE"
    findings = [judge("clips without a prompt", "all", part, says, advice=advice, clips=tuple(lacking["clip_id"]))]
    counts = {}
    tables = {topic: named(with_prompt["prompt"], topics[topic]) for topic in TOPICS}
    for topic, table in tables.items():
        counts[topic] = table.sum().sort_values(ascending=False, kind="stable")
        findings.append(_evenness(topic, table))
    balance = _balance(with_prompt, tables["activities"])
    return Report(area=Area.DIVERSITY, findings=(*findings, *balance), data={"counts": counts})


def _evenness(topic: str, table: pd.DataFrame) -> Finding:
    counts = table.sum()
    absent = [str(name) for name in counts.index[counts == 0]]
    value = evenness(counts.to_numpy(np.int64))
    none = int((~table.any(axis=1)).sum())
    shown = f" ({', '.join(absent[:8])}{', …' if len(absent) > 8 else ''})" if absent else ""
    says = f"the prompts name {len(counts) - len(absent)} of {len(counts)} {topic}, with evenness {value:.2f}"
    says += f"; {len(absent)} are missing{shown}" if absent else ""
    says += f"; {none} of {len(table)} prompts name none" if none else ""
    advice = "hfv select --balance activity" if topic == "activities" else "hfv select --balance background"
    return judge(f"evenness of {topic}", "all", Estimate(value=value), says, advice=advice)


def _balance(clips: pd.DataFrame, table: pd.DataFrame) -> list[Finding]:
    """Return how much activities differ between the sides: Cramér's V of side and first activity, without its bias."""
    first = table.idxmax(axis=1).where(table.any(axis=1))
    known = first.notna() & clips["split"].notna()
    counts = pd.crosstab(first[known], clips.loc[known, "split"])
    counts = counts[counts.sum(axis=1) >= 5]
    if min(counts.shape) < 2:
        return []
    total = int(counts.to_numpy().sum())
    test = chi2_contingency(counts.to_numpy())
    surplus = max(0.0, float(test.statistic) - test.dof) / total  # Bergsma 2013
    value = float(np.sqrt(surplus / (min(counts.shape) - 1)))
    certain = value if test.pvalue < 0.05 else 0.0
    says = f"the activities of train, val and test differ: Cramér's V = {value:.2f} (p = {test.pvalue:.2g})"
    estimate = Estimate(value=value, low=certain, high=None)
    return [judge("activities that differ between sides", "all", estimate, says, advice="hfv split --group prompt")]


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
