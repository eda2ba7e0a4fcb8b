"""What a stage says of clips of several formats inside one generator."""

from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.clips.formats import CHANCE, SMALL, STRONG, effect_on_labels
from hfv_builder.records import METRICS

FEW = 10
"""Clips of one format under which their ranks among themselves say little."""

Row = dict[str, Any]


def format_counts(formats: pd.Series, clips: pd.Series | None = None) -> list[Row]:
    """A row for each format with its clips, the commonest first; none if there is only one format.

    Args:
        clips: how many clips each value of `formats` stands for; one without it.
    """
    ones = pd.Series(1, formats.index) if clips is None else clips
    counts = ones.groupby(formats).sum().rename_axis("format").reset_index(name="clips")
    counts = counts.sort_values(["clips", "format"], ascending=[False, True])
    return [] if len(counts) < 2 else [{"format": name, "clips": int(n)} for name, n in counts.itertuples(index=False)]


def label_mix(generator: str, formats: pd.Series, labels: pd.Series, *, by_format: bool) -> tuple[list[Row], list[str]]:
    """How labels are spread over the formats of a generator: rows of a table, and warnings.

    Args:
        formats: the format of each clip, in the order of `labels`.
        labels: auto_label, null for clips that are not ranked.
        by_format: whether every format was ranked by itself.

    Returns:
        A row for each format: generator, format, clips, and clips of each label, the commonest format first; none if
        there is only one format.
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
            f"{len(few)} formats of {generator} have fewer than {FEW} clips, whose ranks among themselves say little: "
            f"{', '.join(row['format'] for row in few[:SMALL])}"
        )
    return table, warnings
