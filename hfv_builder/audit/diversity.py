"""Diversity: the activities and backgrounds that the prompts name, and those that CLIP assigns to the clips."""

import numpy as np
import pandas as pd

from hfv_builder.audit.estimates import share
from hfv_builder.audit.finding import Area, Estimate, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.audit.shown_topics import by_pictures
from hfv_builder.audit.topics import TOPICS, Topics, absent_names, evenness, named
from hfv_builder.clips.formats import association

LEAST = 20
"""Smallest number of prompts for a finding."""


def diversity(clips: pd.DataFrame, topics: Topics, shown: pd.DataFrame | str) -> Report:
    """Return the findings on the topics of the prompts, and on those that CLIP assigns to the clips.

    Args:
        clips: a row per clip with clip_id, is_real, prompt and split.
        topics: from `load_topics`.
        shown: with the index of `clips` the name of each topic that CLIP finds nearest, null without an embedding; or
            the sentence that says why no clip has one.
    """
    written, by_clip = _by_prompts(clips, topics), by_pictures(clips, topics, shown)
    counts = written.data.get("counts", {}) | by_clip.data.get("counts", {})
    data = {"counts": counts} if counts else {}
    return Report(area=Area.DIVERSITY, findings=(*written.findings, *by_clip.findings), data=data)


def _by_prompts(clips: pd.DataFrame, topics: Topics) -> Report:
    fake = clips[~clips["is_real"]]
    with_prompt = fake[fake["prompt"].notna()]
    if len(with_prompt) < LEAST:
        why = f"it needs {LEAST} generated clips with a prompt, and there are {len(with_prompt)}"
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
    value = evenness(counts.to_numpy(np.int64))
    none = int((~table.any(axis=1)).sum())
    says = f"the prompts name {int((counts > 0).sum())} of {len(counts)} {topic}, with evenness {value:.2f}"
    says += absent_names(counts)
    says += f"; {none} of {len(table)} prompts name none" if none else ""
    advice = f"hfv select --balance {TOPICS[topic]}"
    return judge(f"evenness of {topic}", "all", Estimate(value=value), says, advice=advice)


def _balance(clips: pd.DataFrame, table: pd.DataFrame) -> list[Finding]:
    """Return how much activities differ between the sides: Cramér's V of side and first activity, without its bias."""
    first = table.idxmax(axis=1).where(table.any(axis=1))
    known = first.notna() & clips["split"].notna()
    counts = pd.crosstab(first[known], clips.loc[known, "split"])
    counts = counts[counts.sum(axis=1) >= 5]
    counts = counts.loc[:, counts.sum() > 0]
    if min(counts.shape) < 2:
        return []
    value, p = association(counts.to_numpy(np.float64))
    certain = value if p < 0.05 else 0.0
    says = f"the activities of train, val and test differ: Cramér's V = {value:.2f} (p = {p:.2g})"
    estimate = Estimate(value=value, low=certain, high=None)
    return [judge("activities that differ between sides", "all", estimate, says, advice="hfv split --group prompt")]
