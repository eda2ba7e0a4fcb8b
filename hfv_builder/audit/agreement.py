"""Agreement of the automatic labels with reviewers, and with labels of others."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.audit.estimates import Ints, kappa, share
from hfv_builder.audit.finding import Area, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.records import Label
from hfv_builder.wording import counted, percent

DECILES = 10
LEAST = 10
"""Smallest number of clips of a generator for which a finding is reported."""
KINDS = len(Label)


def agreement(clips: pd.DataFrame, others: Mapping[str, int] | None = None, source: str = "") -> Report:
    """Return the findings on agreement of the labels with those of reviewers and with other labels.

    Args:
        clips: a row per clip with clip_id, generator, is_real, auto_label, final_label (null = not reviewed or
            rejected), reviewed, margin and group_size.
        others: labels of others by clip id; None if none were given.
        source: the name of the file of `others`.
    """
    findings = [*_reviewed(clips)]
    data: dict[str, Any] = {"deciles": margin_deciles(clips)}
    if others is not None:
        own = clips.assign(other_label=clips["clip_id"].map(others))
        findings += _against(own, source)
        data["confusions"] = {
            str(name): confusion(rows) for name, rows in _compared(own).groupby("generator", sort=True)
        }
    return Report(area=Area.AGREEMENT, findings=tuple(findings), data=data)


def margin_deciles(clips: pd.DataFrame) -> list[dict[str, float]]:
    """Return a row for each tenth of the reviewed generated clips by margin: decile, clips, and share that agrees."""
    rows = _decided(clips)
    rows = rows[~rows["is_real"] & rows["margin"].notna()]
    if len(rows) < DECILES:
        return []
    place = rows["margin"].astype(float).div(rows["group_size"].astype(float)).rank(method="first", pct=True)
    agreed = rows["final_label"].eq(rows["auto_label"])
    found = []
    for decile in range(DECILES):
        own = agreed[np.ceil(place * DECILES).astype(int) - 1 == decile]
        if len(own):
            part = share(int(own.sum()), len(own))
            found.append(
                {
                    "decile": decile + 1,
                    "clips": len(own),
                    "share": part.value,
                    "low": part.low or 0.0,
                    "high": part.high or 1.0,
                }
            )
    return found


def confusion(rows: pd.DataFrame) -> Ints:
    """Return the clips by our label (rows) and the other label (columns), (4, 4) int64."""
    counts = np.zeros((KINDS, KINDS), np.int64)
    ours, theirs = (rows[name].to_numpy(np.int64) for name in ("auto_label", "other_label"))
    np.add.at(counts, (ours, theirs), 1)
    return counts


def _reviewed(clips: pd.DataFrame) -> Iterator[Finding]:
    fake = clips[~clips["is_real"] & clips["auto_label"].notna()]
    seen = int(fake["reviewed"].sum())
    part = share(seen, len(fake))
    if not seen:
        why = "no generated clip has been reviewed, so the accuracy of the labels is unknown"
        yield not_computed("labels that reviewers change", why, advice="hfv review")
        return
    yield judge(
        "reviewed clips", "all", part, f"{seen} of {len(fake)} generated clips are reviewed", advice="hfv review"
    )
    decided = _decided(fake)
    few = []
    for generator, own in decided.groupby("generator", sort=True):
        if len(own) < LEAST:
            few.append(str(generator))
            continue
        rows = own.assign(other_label=own["final_label"])
        changed = rows["auto_label"].ne(rows["final_label"])
        found = share(int(changed.sum()), len(rows))
        says = (
            f"reviewers change {percent(found.value, 0)} of the {len(rows)} labels of {generator} that they looked at"
        )
        clips_ = tuple(rows.loc[changed, "clip_id"])
        advice = "hfv split --labels final, and hfv review for the clips that are left"
        yield judge("labels that reviewers change", str(generator), found, says, advice=advice, clips=clips_)
        if (measured := kappa(confusion(rows))) is not None:
            says = f"Cohen's κ of automatic labels and reviewers on {generator} is {measured.value:.2f}"
            yield judge("kappa with reviewers", str(generator), measured, says, advice=advice)
    if few or decided.empty:
        names = f"; too few: {', '.join(few)}" if few else ""
        why = f"a generator needs {LEAST} clips to which reviewers gave a label{names}"
        yield not_computed("labels that reviewers change", why, advice="hfv review")


def _against(clips: pd.DataFrame, source: str) -> Iterator[Finding]:
    compared = _compared(clips)
    if compared.empty:
        why = f"no label of {source} has the name or the id of a clip with a label"
        yield not_computed("agreement with the other labels", why)
        return
    for generator, own in compared.groupby("generator", sort=True):
        same = own["auto_label"].eq(own["other_label"])
        found = share(int(same.sum()), len(own))
        says = f"{percent(found.value)} of {counted(len(own), 'label')} of {generator} agree with {source}"
        differing = tuple(own.loc[~same, "clip_id"])
        advice = "hfv review --clips LIST"
        yield judge("agreement with the other labels", str(generator), found, says, advice=advice, clips=differing)
        measured = kappa(confusion(own))
        if measured is not None:
            says = f"Cohen's κ with {source} on {generator} is {measured.value:.2f}"
            yield judge("kappa with the other labels", str(generator), measured, says, advice=advice)


def _decided(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that reviewers gave a label."""
    return clips[clips["reviewed"] & clips["final_label"].notna() & clips["auto_label"].notna()]


def _compared(clips: pd.DataFrame) -> pd.DataFrame:
    return clips[clips["other_label"].notna() & clips["auto_label"].notna()]
