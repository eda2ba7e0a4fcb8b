"""Watermarks: an overlay at one place in the clips of a source, which reveals the source whatever the clips show."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from hfv_builder.audit.estimates import share
from hfv_builder.audit.finding import Finding
from hfv_builder.audit.leakage import NEAR
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.audit.overlays import LEAST, Overlays, find_overlays
from hfv_builder.wording import counted

NAME = "watermark at one place"
HALF = 0.5
"""Share of the frame above which cropping a side is not advised."""


class Place(NamedTuple):
    """The edges of the clips of a source and shape, for the picture of the area."""

    subject: str
    shape: float
    """Width / height of the clips."""
    overlays: Overlays


def watermarks(clips: pd.DataFrame) -> tuple[list[Finding], list[Place]]:
    """Return the findings on overlays, one per source, and the places of sources with an overlay.

    Args:
        clips: a row per clip with clip_id, generator, width, height, fixed (null without), border and `NEAR`; those
            with borders are left out.
    """
    findings, places, few = [], [], []
    for generator, every in clips.groupby("generator", sort=True):
        own = every[every["fixed"].notna() & every["border"].astype(float).eq(0)]  # the edges of bars stay too
        shapes = (own["width"].astype(float) / own["height"].astype(float)).round(2)
        overlays = {float(shape): _overlays(alike) for shape, alike in own.groupby(shapes, sort=True)}
        looked = {shape: each for shape, each in overlays.items() if each is not None}
        own = own[shapes.isin([*looked])]
        found = [each for each in looked.values() if each.boxes]
        if not found and (not looked or 2 * len(own) < len(every)):
            few.append(str(generator))
            continue
        shows = pd.Series(False, own.index)
        for shape, each in looked.items():
            shows[shapes[own.index].eq(shape)] = each.shows
            if each.boxes:
                places.append(Place(f"{generator}, {shape:.2f} : 1", shape, each))
        findings.append(_judged(str(generator), own, shows, found, len(every) - len(own)))
    if few or not findings:
        names = f"; too few: {', '.join(few)}" if few else ""
        why = (
            f"most clips of a source must be without borders and of a shape that {LEAST} different contents have{names}"
        )
        findings.append(not_computed(NAME, why))
    return findings, places


def _overlays(clips: pd.DataFrame) -> Overlays | None:
    contents = clips[NEAR].fillna(clips["clip_id"]).astype("category").cat.codes.to_numpy().astype(np.int64)
    return find_overlays(clips["fixed"].tolist(), contents)


def _judged(generator: str, own: pd.DataFrame, shows: pd.Series, found: list[Overlays], others: int) -> Finding:
    count = int(shows.sum())
    rest = (
        f"; not examined: {counted(others, 'other')} with borders, without edges or of a rare shape" if others else ""
    )
    if not found:
        says = f"the clips of {generator} have no overlay at one place{rest}"
        return judge(NAME, generator, share(0, len(own)), says)
    box = max(found, key=lambda each: int(each.shows.sum())).boxes[0]
    across, down = (round(50 * sum(ends)) for ends in ((box.left, box.right), (box.top, box.bottom)))
    says = f"{count} of {len(own)} clips of {generator} have edges that stay at one place, as of a watermark: "
    says += f"{across} % from the left, {down} % from the top{rest}"
    advice = "hfv review --clips LIST, and reject those with a watermark"
    cuts = [each.cut for overlays in found for each in overlays.boxes]
    if cuts and max(part for _, part in cuts) < HALF:
        sides = {side: max(part for name, part in cuts if name == side) for side in sorted({name for name, _ in cuts})}
        cut = " and ".join(f"{100 * part:.0f} % of the {side}" for side, part in sides.items())
        advice += f"; or cut {cut} off all clips of all sources alike, and hfv catalog them again"
    return judge(NAME, generator, share(count, len(own)), says, advice=advice, clips=tuple(own.loc[shows, "clip_id"]))
