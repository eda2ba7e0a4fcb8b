"""The report on generators whose clips have several formats."""

from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.clips.formats import CHANCE, SMALL, STRONG, effect_on_labels
from hfv_builder.records import METRICS
from hfv_builder.wording import counted

FEW = 10
"""Minimum number of clips of one format for ranks inside it to be meaningful."""

Row = dict[str, Any]


def format_counts(formats: pd.Series, clips: pd.Series | None = None) -> list[Row]:
    """Return a row for each format with its number of clips, the most common first; none if there is only one format.

    Args:
        clips: the number of clips behind each value of `formats`; None counts one.
    """
    ones = pd.Series(1, formats.index) if clips is None else clips
    counts = ones.groupby(formats).sum().rename_axis("format").reset_index(name="clips")
    counts = counts.sort_values(["clips", "format"], ascending=[False, True])
    return [] if len(counts) < 2 else [{"format": name, "clips": int(n)} for name, n in counts.itertuples(index=False)]


def label_mix(generator: str, formats: pd.Series, labels: pd.Series, *, by_format: bool) -> tuple[list[Row], list[str]]:
    """Return how the labels of a generator are distributed over its formats, and warnings.

    Args:
        formats: the format of each clip, in the order of `labels`.
        labels: auto_label, null for clips that are not ranked.
        by_format: whether each format was ranked separately.

    Returns:
        A row for each format (generator, format, clips, and clips of each label), the most common format first, and
        none if there is only one format; and the warnings.
    """
    rows = format_counts(formats)
    if not rows:
        return [], []
    ranked = labels.notna().to_numpy()
    counts = np.zeros((len(rows), len(METRICS)), np.int64)
    place = {row["format"]: at for at, row in enumerate(rows)}
    at = formats.map(place).to_numpy(np.int64)
    np.add.at(counts, (at[ranked], labels[ranked].to_numpy(np.int64)), 1)
    table = [
        {"generator": generator} | row | {metric.value: int(n) for metric, n in zip(METRICS, mix, strict=True)}
        for row, mix in zip(rows, counts, strict=True)
    ]
    warnings = []
    v, chance = effect_on_labels(counts)
    if not by_format and v >= STRONG and chance < CHANCE:
        warnings.append(
            f"the format of a clip decides much of its label in {generator} ({len(rows)} formats, Cramér's V {v:.2f}): "
            "clips of one format can be ranked among themselves with `hfv label --by-format`"
        )
    if by_format and (few := [row for row in rows if row["clips"] < FEW]):
        warnings.append(
            f"{counted(len(few), 'format')} of {generator} with fewer than {FEW} clips, among which ranks say little: "
            f"{', '.join(row['format'] for row in few[:SMALL])}"
        )
    return table, warnings
