"""Leakage: contents, near duplicates, prompts and source videos that are on several sides of the splits."""

import pandas as pd

from hfv_builder.audit.estimates import share
from hfv_builder.audit.finding import Area, Estimate, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.wording import counted

NEAR = "near_group"
"""Column with the group of near duplicates of each clip; null without frame hashes."""


def leakage(clips: pd.DataFrame, pairs: pd.DataFrame) -> Report:
    """Return the findings on leakage between the sides.

    Args:
        clips: a row per clip with clip_id, generator, is_real, split (null = not split), prompt_group and `NEAR`.
        pairs: a row per pair of near duplicates: first and second (clip ids), bits.
    """
    split = clips[clips["split"].notna()]
    findings = []
    if split.empty:
        findings.append(not_computed("content on two sides", "nothing is split yet", advice="hfv split"))
    else:
        findings.append(_content(split))
    if clips[NEAR].isna().all():
        findings.append(not_computed("near duplicates", "no clip has frame hashes", advice="hfv audit"))
    else:
        findings += [_near(clips), *([_near_sides(split[split[NEAR].notna()])] if len(split) else [])]
    if len(split):
        findings += _prompts(split)
    return Report(area=Area.LEAKAGE, findings=tuple(findings), data={"pairs": pairs})


def _content(split: pd.DataFrame) -> Finding:
    clips = _on_two_sides(split, split["clip_id"])
    count = int(clips["clip_id"].nunique())
    says = (
        f"{counted(count, 'content is', 'contents are')} on two sides of the splits"
        if count
        else "no content is on two sides"
    )
    return judge("content on two sides", "all", Estimate(value=count), says, advice="hfv split", clips=_ids(clips))


def _near(clips: pd.DataFrame) -> Finding:
    sizes = clips.groupby(NEAR)["clip_id"].transform("size")
    twins = clips[sizes > 1]
    groups = int(twins[NEAR].nunique())
    hashed = int(clips[NEAR].notna().sum())
    says = f"{len(twins)} of {hashed} clips are near duplicates of another, in {counted(groups, 'group')}"
    advice = "hfv split --group near keeps them on one side; reject copies with hfv review --clips LIST"
    return judge("near duplicates", "all", share(len(twins), hashed), says, advice=advice, clips=_ids(twins))


def _near_sides(split: pd.DataFrame) -> Finding:
    if split.empty:
        return not_computed("near duplicates on two sides", "no split clip has frame hashes", advice="hfv audit")
    clips = _on_two_sides(split, split[NEAR])
    says = f"{len(clips)} of {len(split)} clips have a near duplicate on another side"
    advice = "hfv split --group near"
    estimate = Estimate(value=len(clips) / len(split))
    return judge("near duplicates on two sides", "all", estimate, says, advice=advice, clips=_ids(clips))


def _prompts(split: pd.DataFrame) -> list[Finding]:
    findings = []
    for name, what, real in (("prompts on two sides", "prompt", False), ("source videos on two sides", "video", True)):
        own = split[split["is_real"].eq(real)]
        known = own[own["prompt_group"].notna()]
        if known.empty:
            why = (
                f"no {'real' if real else 'generated'} clip has a {'source video' if real else 'prompt'} (prompt_group)"
            )
            advice = "hfv catalog --generator G --clips DIR --prompts FILE"
            findings += [not_computed(name, why, advice=advice)] if len(own) else []
            continue
        clips = _on_two_sides(known, known["prompt_group"])
        groups = int(clips["prompt_group"].nunique())
        says = f"{len(clips)} of {len(known)} clips share their {what} with a clip on another side"
        says += f" ({counted(groups, what)})"
        estimate = Estimate(value=len(clips) / len(known))
        findings.append(judge(name, "all", estimate, says, advice="hfv split --group prompt", clips=_ids(clips)))
    return findings


def _on_two_sides(split: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Return the clips of groups that are on several sides."""
    return split[split.groupby(groups)["split"].transform("nunique").gt(1)]


def _ids(clips: pd.DataFrame) -> tuple[str, ...]:
    return tuple(clips["clip_id"])
