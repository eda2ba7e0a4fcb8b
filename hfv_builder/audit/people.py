"""People: whether a clip shows a person. A person detector orders clips for reviewers, who decide."""

import pandas as pd

from hfv_builder.audit.estimates import share
from hfv_builder.audit.finding import Area, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.people.registry import threshold

LACKING = "no person detected"
UNKNOWN = "clips without a person score"
RATES = {"pose": "about 11 % of clips with people do, and 72 % of those without"}
"""Measured on 366 public clips labelled by hand, 201 of them with people; other detectors were not measured."""
SHOWN = 12
"""Clips whose frames are shown."""


def people(clips: pd.DataFrame, why: str | None = None) -> Report:
    """Return the findings on clips that show no person according to the detector's scores.

    Args:
        clips: a row per clip with clip_id, generator, person, person_share and person_detector.
        why: the sentence that says what the detector lacks; None if there is one.

    Returns:
        The findings, and as data `known`, the clips with a score, and `least`, the ids of those of the lowest ones.
    """
    known = clips[clips["person"].notna()]
    lacking = clips[clips["person"].isna()]
    findings = []
    if len(lacking):
        findings.append(_unknown(lacking, len(clips), why))
    absent = without_person(known)
    for generator, own in known.groupby("generator", sort=True):
        findings.append(_judged(str(generator), own, absent.loc[own.index]))
    least = known[absent].sort_values(["person", "clip_id"]).head(SHOWN)
    data = {"known": known, "least": least["clip_id"].tolist()} if len(known) else {}
    return Report(area=Area.PEOPLE, findings=tuple(findings), data=data)


def without_person(clips: pd.DataFrame) -> pd.Series:
    """Return for each clip whether its score is below its detector's threshold, bool; False without a score."""
    limits = clips["person_detector"].map(threshold, na_action="ignore").astype(float)
    return clips["person"].astype(float).lt(limits).astype(bool)


def _judged(generator: str, own: pd.DataFrame, absent: pd.Series) -> Finding:
    names = sorted({str(revision).partition(" ")[0] for revision in own["person_detector"]})
    count = int(absent.sum())
    which = " and ".join(names)
    says = (
        f"{count} of {len(own)} clips of {generator} score too low for a person with the detector {which}, which sorts "
    )
    says += "clips and does not judge them"
    says += "".join(f": {RATES[name]}" for name in names if name in RATES)
    advice = "hfv review --clips LIST, and reject those without a person"
    clips = tuple(own[absent].sort_values(["person", "clip_id"])["clip_id"])
    return judge(LACKING, generator, share(count, len(own)), says, advice=advice, clips=clips)


def _unknown(lacking: pd.DataFrame, total: int, why: str | None) -> Finding:
    if why is not None and len(lacking) == total:
        return not_computed(LACKING, f"{why}; reviewers reject clips without a person as 'not a person'")
    reason = why or "their frames could not be looked at"
    says = f"{len(lacking)} of {total} clips have no person score: {reason}"
    advice = "hfv audit --retry-failed" if why is None else "hfv audit, once the detector is there"
    part = share(len(lacking), total)
    return judge(UNKNOWN, "all", part, says, advice=advice, clips=tuple(lacking["clip_id"]))
