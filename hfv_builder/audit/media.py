"""Media: clips that freeze, turn black, have hard cuts or borders, or end too early."""

import pandas as pd

from hfv_builder.audit.estimates import share
from hfv_builder.audit.finding import Area, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.audit.watermarks import watermarks

FROZEN = 0.25
"""Smallest share of repeated frames for which a clip is listed."""
BLACK = 0.1
"""Smallest share of black frames for which a clip is listed."""
BORDER = 0.02
"""Smallest share of the area of borders for which a clip is listed."""
TRUNCATED = 0.98
"""Share of the declared frames below which a clip is truncated."""
FLAGS = {
    "frozen or duplicated frames": "repeat a quarter of their frames or more",
    "black frames": "are black for a tenth of their frames or more",
    "hard cuts": "have a hard cut",
    "black or white borders": "have black or white borders",
    "truncated files": "end before their declared length, or have frames that cannot be decoded",
}
"""The problems of clips by column: the name of the finding, and the verb of its sentence."""


def media(clips: pd.DataFrame) -> Report:
    """Return the findings on the frames.

    Args:
        clips: a row per clip with clip_id, generator, width, height, num_frames, the group of its near duplicates,
            and the columns of `signals`, null without them.

    Returns:
        The findings, and as data `places`, the overlays of the sources.
    """
    known = clips[clips["decoded"].notna()]
    if known.empty:
        why = "no clip has signals"
        return Report(area=Area.MEDIA, findings=(not_computed("clips without signals", why, advice="hfv audit"),))
    findings = []
    lacking = clips[clips["decoded"].isna()]
    if len(lacking):
        says = f"{len(lacking)} of {len(clips)} clips could not be looked at"
        part = share(len(lacking), len(clips))
        advice = "hfv review (the queue of failed clips)"
        findings.append(
            judge("clips without signals", "all", part, says, advice=advice, clips=tuple(lacking["clip_id"]))
        )
    bad = flags(known)
    for generator, own in known.groupby("generator", sort=True):
        findings += [_judged(name, str(generator), own, bad.loc[own.index, name], what) for name, what in FLAGS.items()]
    marks, places = watermarks(known)
    return Report(area=Area.MEDIA, findings=(*findings, *marks), data={"places": places})


def flags(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the problems of each clip: a row per clip, a bool column for each of `FLAGS`; False without signals.

    Args:
        clips: a row per clip with num_frames and the columns of `signals`.
    """
    declared = clips["num_frames"].astype("Float64")
    found = {
        "frozen or duplicated frames": clips["frozen"].ge(FROZEN),
        "black frames": clips["black"].ge(BLACK),
        "hard cuts": clips["cuts"].ge(1),
        "black or white borders": clips["border"].ge(BORDER),
        "truncated files": clips["missing"].gt(0) | (clips["decoded"].astype("Float64") < TRUNCATED * declared),
    }
    return pd.DataFrame({name: bad.astype("boolean").fillna(False).astype(bool) for name, bad in found.items()})


def _judged(name: str, generator: str, own: pd.DataFrame, bad: pd.Series, what: str) -> Finding:
    count = int(bad.sum())
    says = f"{count} of {len(own)} clips of {generator} {what}"
    advice = "hfv review --clips LIST, and reject them as broken"
    clips = tuple(own.loc[bad, "clip_id"])
    return judge(name, generator, share(count, len(own)), says, advice=advice, clips=clips)
