"""Labels: how much they depend on chance, on confounds of the scores, and on the choice of the rule."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from hfv_builder.audit.estimates import Floats, rank_correlation, share, strength
from hfv_builder.audit.finding import Area, Estimate, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.audit.reference import reference_labels
from hfv_builder.audit.stability import changed_labels
from hfv_builder.clips.formats import name_formats
from hfv_builder.labelling.labels import label_clips
from hfv_builder.records import METRICS, Label
from hfv_builder.wording import percent

SCORES = [metric.value for metric in METRICS]
CONFOUNDS = {
    "change": "change from frame to frame",
    "brightness": "brightness",
    "pixels": "size",
    "num_frames": "length",
}
"""The confounds: columns with which no score should correlate."""
COMPONENTS = {
    "unmasked_warp_error": ("motion score against unmasked warp error", "its warp error without occlusion mask"),
    "flow_acceleration": ("motion score against flow acceleration", "the acceleration of the same flow"),
}
"""Columns with components of the motion scores that no rank uses, null where they are unknown. The values are the
finding and the words of its sentence."""
LEAST = 20
"""Smallest number of clips of a generator, and of real clips for the reference rule, for a finding."""
CLOSE = 0.01
"""Share of a generator's clips that is a small margin."""
UNSTABLE = 0.5
"""Smallest share of draws that change a clip's label for the label to count as decided by chance."""


def labels(clips: pd.DataFrame, others: Mapping[str, pd.DataFrame]) -> Report:
    """Return the findings on the reliability of the labels.

    Args:
        clips: a row per clip with clip_id, generator, is_real, the three scores, auto_label, margin, tied, group_size,
            fingerprint (of the labels), and the columns of formats, `COMPONENTS` and `CONFOUNDS`.
        others: for each other profile its three scores of the clips that have them all, indexed by clip_id.
    """
    fake = clips[~clips["is_real"] & clips["auto_label"].notna()]
    real = clips[clips["is_real"]].dropna(subset=SCORES)
    if fake.empty:
        why = "no generated clip has a label yet"
        return Report(area=Area.LABELS, findings=(not_computed("tied labels", why, advice="hfv label"),))
    findings: list[Finding] = []
    mixes: dict[str, dict[str, Floats]] = {}
    few: list[str] = []
    most = 0
    for generator, own in fake.groupby("generator", sort=True):
        alike = real[real["fingerprint"].isin(own["fingerprint"])]
        most = max(most, len(alike))
        if len(own) < LEAST:
            few.append(str(generator))
            continue
        groups = ranked_together(own, clips[clips["generator"].eq(generator)])
        findings += _chance(str(generator), own, groups)
        findings += _scores(str(generator), own)
        mixes[str(generator)] = {"rank rule": _mix(own["auto_label"].to_numpy(np.int64))}
        findings += _others(str(generator), own, others, groups)
        if len(alike) >= LEAST:
            findings += _reference(str(generator), own, alike[SCORES].to_numpy(np.float64), mixes[str(generator)])
    if few:
        why = f"a generator needs {LEAST} labelled clips; too few: {', '.join(few)}"
        findings.append(not_computed("labels that chance would change", why))
    if most < LEAST:
        why = f"the reference rule needs {LEAST} real clips with scores of the same profile, and there are {most}"
        findings.append(not_computed("clips within the real range", why, advice="hfv score --generator REAL"))
    return Report(area=Area.LABELS, findings=tuple(findings), data={"mixes": mixes})


def ranked_together(clips: pd.DataFrame, every: pd.DataFrame) -> pd.Series:
    """Return the group in which each clip of a generator is ranked: its format after `label --by-format`, else one.

    Args:
        clips: a row per labelled clip with group_size.
        every: a row per clip of the generator with the columns of formats, which depend on all of them.
    """
    sizes = clips["group_size"].dropna()
    if sizes.nunique() > 1 or sizes.lt(len(sizes)).any():
        return name_formats(every)[clips.index]
    return pd.Series("all", clips.index)


def _chance(generator: str, own: pd.DataFrame, groups: pd.Series) -> Iterator[Finding]:
    numbers = pd.factorize(groups)[0].astype(np.int64)
    changed, by_clip = changed_labels(own[SCORES].to_numpy(np.float64), own["auto_label"].to_numpy(np.int64), numbers)
    says = f"{_percent(changed)} of the labels of {generator} change when its clips are resampled"
    unstable = tuple(own.loc[by_clip >= UNSTABLE, "clip_id"])
    advice = "hfv review (the clips with the smallest margins come first)"
    yield judge("labels that chance would change", generator, changed, says, advice=advice, clips=unstable)
    small = own["margin"].to_numpy(np.float64) < CLOSE * own["group_size"].to_numpy(np.float64)
    estimate = share(int(small.sum()), len(own))
    says = f"{_percent(estimate)} of the labels of {generator} are decided by less than 1 % of its ranks"
    close = tuple(own.loc[small, "clip_id"])
    yield judge(
        "labels with a margin under 1 %", generator, estimate, says, advice="hfv review --clips LIST", clips=close
    )
    tied = own["tied"].fillna(False).to_numpy(bool)
    estimate = share(int(tied.sum()), len(own))
    says = f"{_percent(estimate)} of the labels of {generator} are ties between equal ranks"
    yield judge(
        "tied labels",
        generator,
        estimate,
        says,
        advice="hfv review --clips LIST",
        clips=tuple(own.loc[tied, "clip_id"]),
    )


def _scores(generator: str, own: pd.DataFrame) -> Iterator[Finding]:
    again = f"hfv score --generator {generator} --profile FILE.toml with other measures, then hfv label"
    for place, one in enumerate(SCORES):
        for other in SCORES[place + 1 :]:
            found = rank_correlation(*(own[name].to_numpy(np.float64) for name in (one, other)))
            if found is not None:
                says = f"the scores {one} and {other} of {generator} are correlated: ρ = {_signed(found)}"
                subject = f"{generator}: {one} and {other}"
                yield judge("two scores that agree", subject, strength(found), says, advice=again)
    for score in SCORES:
        for column, name in CONFOUNDS.items():
            found = rank_correlation(own[score].to_numpy(np.float64), own[column].to_numpy(np.float64, na_value=np.nan))
            if found is not None:
                says = f"the {score} score of {generator} follows the {name} of its clips: ρ = {_signed(found)}"
                by_format = column in ("pixels", "num_frames")
                advice = f"hfv label --generator {generator} --by-format" if by_format else again
                subject = f"{generator}: {score} and {name}"
                yield judge("score that follows a confound", subject, strength(found), says, advice=advice)
    for component, (finding, what) in COMPONENTS.items():
        values = own[component].to_numpy(np.float64, na_value=np.nan)
        found = rank_correlation(own["motion"].to_numpy(np.float64), values)
        if found is not None:
            says = f"the motion score of {generator} and {what}: ρ = {_signed(found)}"
            yield judge(finding, generator, found, says)


def _others(
    generator: str, own: pd.DataFrame, others: Mapping[str, pd.DataFrame], groups: pd.Series
) -> Iterator[Finding]:
    """Compare the labels under two profiles, each ranked among the clips that both profiles scored."""
    for profile, scores in others.items():
        both = own["clip_id"].isin(scores.index)
        count = int(both.sum())
        if count == 0:
            continue
        if count < LEAST:
            why = f"it needs {LEAST} clips of {generator} with all scores of {profile}, and there are {count}"
            yield not_computed("labels that another profile changes", why)
            continue
        ours = own.loc[both, ["clip_id", "generator", *SCORES]]
        theirs = ours.assign(**scores.loc[ours["clip_id"], SCORES].set_index(ours.index))
        under = [label_clips(table, groups=groups[both])["auto_label"] for table in (ours, theirs)]
        differs = under[0].ne(under[1])
        estimate = share(int(differs.sum()), count)
        among = "" if count == len(own) else f", among the {count} of its {len(own)} clips that both scored"
        says = f"{_percent(estimate)} of the labels of {generator} differ under the profile {profile}{among}"
        clips = tuple(ours.loc[differs, "clip_id"])
        subject = f"{generator}: {profile}"
        advice = "hfv review --clips LIST"
        yield judge("labels that another profile changes", subject, estimate, says, advice=advice, clips=clips)


def _reference(generator: str, own: pd.DataFrame, real: Floats, mix: dict[str, Floats]) -> Iterator[Finding]:
    found, within = reference_labels(own[SCORES].to_numpy(np.float64), real)
    mix["reference rule"] = _mix(found)
    estimate = share(int(within.sum()), len(own))
    says = f"{_percent(estimate)} of the clips of {generator} are within the real range on all three scores"
    advice = "hfv review --clips LIST (a clip without an anomaly can be rejected)"
    clips = tuple(own.loc[within, "clip_id"])
    yield judge("clips within the real range", generator, estimate, says, advice=advice, clips=clips)
    differs = found != own["auto_label"].to_numpy(np.int64)
    estimate = share(int(differs.sum()), len(own))
    mixed = ", ".join(f"{percent(part, 0)} {name}" for part, name in zip(mix["reference rule"], SCORES, strict=True))
    says = f"{_percent(estimate)} of the labels of {generator} differ by the reference rule, which gives {mixed}"
    clips = tuple(own.loc[differs, "clip_id"])
    advice = "hfv review --clips LIST"
    yield judge("labels that the reference rule changes", generator, estimate, says, advice=advice, clips=clips)


def _mix(found: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Floats:
    return np.asarray(np.bincount(found, minlength=int(Label.REAL))[: int(Label.REAL)] / len(found))


def _percent(estimate: Estimate) -> str:
    interval = "" if estimate.low is None else f" ({100 * estimate.low:.1f} to {100 * (estimate.high or 0):.1f})"
    return f"{percent(estimate.value)}{interval}"


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.2f} ({estimate.low:+.2f} to {estimate.high:+.2f})"
