"""audit.html: the findings of the audit in one file, the most severe ones first."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from hfv_builder.audit import pictures
from hfv_builder.audit.finding import Area, Finding, Report, Severity
from hfv_builder.audit.frame_pictures import overlay, people_scores
from hfv_builder.release.figures import COLOURS, jpeg, style, svg
from hfv_builder.wording import counted

TITLES = {
    Area.SHORTCUTS: ("Shortcuts", "How well facts of the files reveal the class without looking at the frames."),
    Area.LEAKAGE: ("Leakage", "Contents, prompts and videos that are on two sides of the splits."),
    Area.LABELS: (
        "Labels",
        "How much the labels depend on chance, on confounds of the scores, and on the rule.",
    ),
    Area.AGREEMENT: ("Agreement", "How far the automatic labels agree with reviewers and with other labels."),
    Area.DIVERSITY: ("Diversity", "Activities and backgrounds that the prompts name, and that the clips show by CLIP."),
    Area.PEOPLE: ("People", "Whether a person is in the clip. A detector says which clips to look at; people decide."),
    Area.MEDIA: ("Media", "Frozen, black and missing frames, hard cuts, borders and watermarks."),
}
WORDS = {
    Severity.ERROR: ("serious", "a reviewer would reject the data set for it"),
    Severity.WARNING: ("warning", "a reviewer would ask; fix it or mention it in the paper"),
    Severity.NOTE: ("note", "worth a sentence in the data sheet"),
    Severity.OK: ("ok", "nothing to do"),
}
HELD = 12
"""Number of findings of a kind and severity that are shown; the others are folded."""


def verdict(findings: Sequence[Finding]) -> str:
    """Return in one sentence whether a careful reviewer would accept the data set."""
    errors, warnings = (sum(each.severity is kind for each in findings) for kind in (Severity.ERROR, Severity.WARNING))
    if errors:
        also = f" and {counted(warnings, 'warning')}" if warnings else ""
        return f"not ready to publish: {counted(errors, 'serious finding')}{also}"
    if warnings:
        return f"publishable once {counted(warnings, 'warning')} {'is' if warnings == 1 else 'are'} fixed or explained"
    absent = sum(each.estimate is None for each in findings)
    but = f", but {counted(absent, 'check')} could not be computed" if absent else ""
    return f"a careful reviewer finds nothing serious{but}"


def page(
    reports: Sequence[Report], clips: pd.DataFrame, images: Mapping[str, npt.NDArray[np.uint8]], where: str
) -> str:
    """Return the page's text; the same findings give the same text.

    Args:
        reports: of all areas.
        clips: as `gather.clips_table` returns them.
        images: frames of the near duplicates, and of the clips without a person, that are shown, by clip id.
        where: the place of the manifests.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hfv_builder.audit"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals["counted"] = counted
    findings = [finding for report in reports for finding in report.findings]
    ordered = sorted(findings, key=lambda each: (-each.severity.rank, list(Area).index(each.area), each.finding))
    with style():
        areas = [_area(report, clips) for report in reports]
    return environment.get_template("audit.html").render(
        verdict=verdict(findings),
        worst=max((each.severity for each in findings), key=lambda each: each.rank, default=Severity.OK).value,
        counts={kind.value: sum(each.severity is kind for each in findings) for kind in WORDS},
        words={kind.value: words for kind, words in WORDS.items()},
        problems=[each for each in ordered if each.severity.rank >= Severity.WARNING.rank],
        areas=areas,
        pairs=_pairs(reports, images),
        strangers=_strangers(reports, images),
        generators=_generators(clips),
        clips=len(clips),
        where=where,
        colours=COLOURS,
    )


def _area(report: Report, clips: pd.DataFrame) -> dict[str, Any]:
    title, what = TITLES[report.area]
    ordered = sorted(report.findings, key=lambda each: (-each.severity.rank, each.finding, each.subject))
    worst = ordered[0].severity if ordered else Severity.OK
    loud = [each for each in ordered if each.severity is not Severity.OK]
    return {
        "name": report.area.value,
        "title": title,
        "what": what,
        "worst": worst.value,
        "shown": loud[:HELD],
        "more": loud[HELD:],
        "fine": [each for each in ordered if each.severity is Severity.OK],
        "figures": [svg(figure) for figure in _figures(report, clips) if figure is not None],
    }


def _figures(report: Report, clips: pd.DataFrame) -> list[Figure | None]:
    data = report.data
    match report.area:
        case Area.SHORTCUTS if data["alone"]:
            every = {
                each.subject: each.estimate
                for each in report.findings
                if each.finding == "real or generated by container facts" and each.estimate
            }
            return [pictures.facts(data["alone"], every)]
        case Area.LABELS if data:
            return [pictures.margins(clips), pictures.mixes(data["mixes"]), pictures.speed(clips)]
        case Area.AGREEMENT:
            matrices = data.get("confusions", {})
            return [
                pictures.deciles(data["deciles"]),
                *(pictures.confusion(name, each) for name, each in matrices.items()),
            ]
        case Area.DIVERSITY if data:
            return [pictures.topics(data["counts"])]
        case Area.PEOPLE if data:
            return [people_scores(data["known"])]
        case Area.MEDIA:
            return [pictures.shares(report.findings), *(overlay(each) for each in data.get("places", ()))]
    return []


def _pairs(reports: Sequence[Report], images: Mapping[str, npt.NDArray[np.uint8]]) -> list[dict[str, Any]]:
    """Return the near duplicates with images, the most similar first."""
    pairs = next((report.data["pairs"] for report in reports if report.area is Area.LEAKAGE), None)
    shown = []
    for first, second, bits in [] if pairs is None else pairs.itertuples(index=False):
        if first in images and second in images:
            shown.append(
                {
                    "first": first,
                    "second": second,
                    "bits": bits,
                    "images": [jpeg(images[each]) for each in (first, second)],
                }
            )
    return shown


def _strangers(reports: Sequence[Report], images: Mapping[str, npt.NDArray[np.uint8]]) -> list[dict[str, Any]]:
    """Return the clips in which no person is detected, with images, the lowest scores first."""
    data = next((report.data for report in reports if report.area is Area.PEOPLE), {})
    if not data:
        return []
    scores = data["known"].set_index("clip_id")["person"]
    return [
        {"clip": clip_id, "score": float(scores[clip_id]), "image": jpeg(images[clip_id])}
        for clip_id in data["least"]
        if clip_id in images
    ]


def _generators(clips: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for generator, own in clips.groupby("generator", sort=True):
        row = {"generator": generator, "kind": "real" if own["is_real"].any() else "generated", "clips": len(own)}
        rows.append(row | {"labelled": int(own["auto_label"].notna().sum()), "reviewed": int(own["reviewed"].sum())})
    return rows
