"""The selection of the clips of a release, and the refusals of data that is not ready."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.clips.sources import Source
from hfv_builder.records import Label, Status, UsageError
from hfv_builder.wording import counted

LITE = "lite"
"""The profile whose labels are for trying and teaching."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The manifests of one generator, a row per clip that counts."""

    generator: str
    clips: pd.DataFrame
    """Columns clip_id and status, and any others."""
    labels: pd.DataFrame
    """The columns of `labels`."""
    splits: pd.DataFrame
    """The columns of `splits`."""
    fresh: bool
    """Whether the scores are still those that the labels were made from."""


def choose_clips(ready: Ready) -> pd.DataFrame:
    """Join the manifests of the clips that have a split.

    Returns:
        A row per clip with the columns of all three tables, sorted by clip_id; `label` is that of the splits.

    Raises:
        UsageError: some clips have no label or no split, or a stage is older than the one before it.
    """
    generator = ready.generator
    label, split = (f"run `hfv {stage} --generator {generator}`" for stage in ("label", "split"))
    readable = ready.clips[ready.clips["status"] == Status.OK]
    unlabelled = ~readable["clip_id"].isin(ready.labels["clip_id"])
    if unlabelled.any():
        raise UsageError(f"{unlabelled.sum()} of {len(readable)} clips of {generator} have no label yet: {label}")
    fake = ready.labels["auto_label"].ne(Label.REAL).fillna(True)
    if not ready.fresh and fake.any():
        raise UsageError(f"the labels of {generator} are older than its scores: {label}, then `hfv split`")
    gone = ~ready.labels["clip_id"].isin(ready.clips["clip_id"])
    if gone.any():
        raise UsageError(
            f"the labels of {generator} are older than its catalogue or selection: {label}, then `hfv split`"
        )
    labels = ready.labels[ready.labels["clip_id"].isin(readable["clip_id"])]
    labels = labels.reset_index(drop=True)
    place = _places(labels["clip_id"], ready.splits["clip_id"])
    if absent := int((place < 0).sum()):
        raise UsageError(f"{absent} of {len(labels)} labelled clips of {generator} are not split yet: {split}")
    splits = ready.splits.iloc[place].reset_index(drop=True)
    taken = splits["split"].notna()
    stale = taken & labels["fingerprint"].fillna("").ne(splits["fingerprint"].fillna(""))
    stale |= taken & splits["label_source"].eq("auto") & splits["label"].ne(labels["auto_label"]).fillna(True)
    stale |= splits["class_size"].ne(splits[taken].groupby("label")["label"].transform("size")).fillna(True) & taken
    if stale.any():
        raise UsageError(
            f"the splits of {counted(stale.sum(), 'clip')} of {generator} are older than their labels: {split}"
        )
    ids = labels.loc[taken, "clip_id"].sort_values()
    parts = (
        labels.iloc[ids.index],
        splits.iloc[ids.index].drop(columns=["clip_id", "generator", "fingerprint"]),
        readable.iloc[_places(ids, readable["clip_id"])].drop(columns=["clip_id", "generator"]),
    )
    return pd.concat([part.reset_index(drop=True) for part in parts], axis=1)


def _places(ids: pd.Series, among: pd.Series) -> npt.NDArray[np.int64]:
    """Return the place of each id among others, -1 if it is not there."""
    places = {clip_id: place for place, clip_id in enumerate(among)}
    return np.array([places.get(clip_id, -1) for clip_id in ids], np.int64)


def check_together(chosen: Mapping[str, pd.DataFrame], profiles: Mapping[str, str | None], *, allow_lite: bool) -> str:
    """Check that the clips of these generators make one data set.

    Args:
        chosen: what `choose_clips` returns of each generator, with the column profile (null without scores).
        profiles: the profile of each generator's labels.

    Returns:
        The profile of all labels.

    Raises:
        UsageError: no clip has a split, the generators differ in profile or protocol, or the profile is `lite`.
    """
    if not sum(map(len, chosen.values())):
        raise UsageError("no clip has a split, so there is nothing to release: run `hfv label`, then `hfv split`")
    by_profile: dict[str, list[str]] = {}
    for generator, rows in chosen.items():
        profile = profiles.get(generator)
        if profile is not None and (rows["label"].ne(Label.REAL) | rows["profile"].notna()).any():
            by_profile.setdefault(profile, []).append(generator)
    if len(by_profile) > 1:
        named = "; ".join(f"{profile}: {_listed(names)}" for profile, names in sorted(by_profile.items()))
        raise UsageError(
            f"the scores come from different profiles ({named}), which one release cannot mix: run `hfv label "
            "--profile P`, then `hfv split`"
        )
    protocols: dict[str, list[str]] = {}
    for generator, rows in chosen.items():
        for protocol in rows["protocol"].dropna().unique():
            protocols.setdefault(str(protocol), []).append(generator)
    if len(protocols) > 1:
        named = "; ".join(f"{protocol}: {_listed(names)}" for protocol, names in sorted(protocols.items()))
        raise UsageError(f"the splits follow different protocols ({named}): run `hfv split --protocol P` for all")
    profile = next(iter(by_profile), "none")
    if profile == LITE and not allow_lite:
        raise UsageError(
            "the labels were made with the profile lite, which is for trying and not for publishing: score with paper, "
            "or give --allow-lite, and the card says so in its first line"
        )
    return profile


def check_reviews(rows: pd.DataFrame, reviews: pd.DataFrame, final: pd.DataFrame) -> None:
    """Check that labels which the splits took from reviewers are still theirs.

    Args:
        rows: what `choose_clips` returns, of all generators.
        reviews: what `reviewed.review_columns` returns.
        final: columns clip_id and rejected of the `final` manifest.

    Raises:
        UsageError: reviewers have settled otherwise, or clips were rejected since.
    """
    taken = rows["label_source"].eq("review")
    again = "run `hfv reviews export`, then `hfv split --labels final`"
    gone = taken & ~rows["clip_id"].isin(reviews.loc[reviews["supported"].astype(bool), "clip_id"])
    if gone.any():
        raise UsageError(
            f"{counted(gone.sum(), 'label comes', 'labels come')} from reviews that do not say so any more: {again}"
        )
    rejected = rows["clip_id"].isin(final.loc[final["rejected"].fillna(False).astype(bool), "clip_id"])
    if taken.any() and rejected.any():
        raise UsageError(
            f"{counted(rejected.sum(), 'clip was', 'clips were')} rejected by reviewers since the split: {again}"
        )


def check_licences(generators: Iterable[str], sources: Mapping[str, Source]) -> None:
    """Check that every source says under which licence its clips are.

    Raises:
        UsageError: one does not.
    """
    missing = [name for name in generators if name not in sources or not (sources[name].licence or "").strip()]
    if missing:
        raise UsageError(
            f'no licence is given for {_listed(missing)}: add licence = "…" to the table of each in the sources.toml '
            "of the manifests folder"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
