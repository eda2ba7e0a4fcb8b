"""The composition of a release in figures: the tables of its card and its report."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hfv_builder.clips.sources import Source, differences
from hfv_builder.records import METRICS, Label, Split
from hfv_builder.release.media import Media
from hfv_builder.wording import counted, significant

Row = dict[str, Any]
FACTS = ("width", "height", "fps", "num_frames", "duration_s")
SPLITS = {Split.TRAIN: "train", Split.VAL: "validation", Split.TEST: "test"}
"""The splits as `datasets` names them."""


def sources_table(clips: pd.DataFrame, sources: Mapping[str, Source]) -> list[Row]:
    """Return a row per source: its clips by split, and what sources.toml (for HFV, the paper's Table 1) expects of it.

    Args:
        clips: a row per clip with the columns of `metadata.SCHEMA` and `split`.

    Returns:
        Rows of source (the display name), generator, kind, clips, one column per split, expected (clips; null where
        nothing is said) and differs (what differs from the expectation, a short text).
    """
    rows = []
    for generator, own in clips.groupby("generator", sort=True):
        source = sources[str(generator)]
        facts = own.loc[own["media"].ne(Media.UNIFORM), list(FACTS)].astype(object)  # those were made to differ
        facts = facts.where(facts.notna(), None)
        known = [dict(zip(FACTS, values, strict=True)) for values in facts.itertuples(index=False)]
        differing = differences(source, known, quantity=len(own))
        kind = "real" if source.real else "generated"
        row: Row = {"source": source.name, "generator": str(generator), "kind": kind}
        row |= {"clips": len(own)} | _by_split(own)
        row |= {"expected": source.quantity, "differs": "; ".join(map(_difference, differing))}
        rows.append(row)
    return rows


def labels_table(clips: pd.DataFrame) -> list[Row]:
    """Return a row per generator: how many clips have each label, and how many of these reviewers decided."""
    rows = []
    for generator, own in clips.groupby("generator", sort=True):
        row = (
            {"generator": str(generator)}
            | by_label(own)
            | {
                "reviewed": reviewed_clips(own),
                "decided by review": int(own["label_source"].eq("review").sum()),
            }
        )
        rows.append(row)
    return rows


def split_labels_table(clips: pd.DataFrame) -> list[Row]:
    """Return a row per split and label: the number of clips."""
    rows = []
    for split, name in SPLITS.items():
        if len(own := clips[clips["split"].eq(split)]):
            rows.append({"split": name} | by_label(own))
    return rows


def scores_table(clips: pd.DataFrame) -> list[Row]:
    """Return a row per generator: median and quartiles of each score, four significant digits."""
    rows = []
    for generator, own in clips.groupby("generator", sort=True):
        row: Row = {"generator": str(generator)}
        for metric in METRICS:
            values = own[metric.value].dropna().astype(float)
            low, middle, high = values.quantile([0.25, 0.5, 0.75]) if len(values) else (None, None, None)
            row[metric.value] = "–" if middle is None else f"{middle:.4g} ({low:.4g} to {high:.4g})"
        rows.append(row)
    return rows


def missing_labels(clips: pd.DataFrame, folders: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Return the labels that no clip of an evaluation set has, by the set's name, of sets that lack some.

    Args:
        clips: columns folder and label.
        folders: of each evaluation set.
    """
    lacking = {}
    for name, some in folders.items():
        there = {*clips.loc[clips["folder"].isin(some), "label"].astype(int)}
        if absent := [str(label) for label in Label if label not in there]:
            lacking[name] = absent
    return lacking


def totals(clips: pd.DataFrame) -> Row:
    """Return clips, hours and how each file was made, of the clips themselves."""
    seconds = float(clips["duration_s"].dropna().sum())
    media = clips["media"].value_counts()
    return {
        "clips": len(clips),
        "generators": int(clips["generator"].nunique()),
        "hours": significant(seconds / 3600),
        "media": {str(name): int(media[name]) for name in sorted(media.index)},
        "reviewed": reviewed_clips(clips),
    }


def reviewed_clips(clips: pd.DataFrame) -> int:
    """Return how many clips have the vote of a reviewer, or the label of an adjudicator alone."""
    return int((clips["reviewers"].gt(0) | clips["label_source"].eq("review")).sum())


def size_category(clips: int) -> str:
    """Return the size category of the Hugging Face hub."""
    edges = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
    place = max(0, len(str(clips)) - 3)
    return f"{edges[place - 1]}<n<{edges[place]}" if place else f"n<{edges[0]}"


def by_label(clips: pd.DataFrame) -> dict[str, int]:
    """Return the number of clips by the name of their label, 0 included."""
    counts = clips["label"].astype(int).value_counts()
    return {str(label): int(counts.get(label, 0)) for label in Label}


def _by_split(rows: pd.DataFrame) -> Row:
    counts = rows["split"].value_counts()
    return {name: int(counts.get(split, 0)) for split, name in SPLITS.items()}


def _difference(row: Mapping[str, Any]) -> str:
    clips = "" if row["clips"] is None else f" in {counted(row['clips'], 'clip')}"
    return f"{row['field']} {row['found']} instead of {row['expected']}{clips}"
