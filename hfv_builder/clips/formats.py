"""Formats: clips of one size, frame rate and length, and how much the label depends on them.

Scores depend on the format of a clip, so a generator that delivers several formats is not ranked fairly as one.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

RATE_SPREAD = 0.01
"""Rates count as one while they are at most this share above the lowest of them: 23.976 and 24 do."""
LENGTH_SPREAD = 0.25
"""Likewise lengths in frames: 97 and 121 do, 81 and 121 do not."""
COLUMNS = ("width", "height", "fps", "num_frames")
"""Columns of `clips` that make a format."""
SMALL = 5
"""Formats of fewer clips than this count as one when the effect on the labels is computed."""
STRONG = 0.2
"""Cramér's V from which on a difference between formats is reported, if chance does not explain it."""
CHANCE = 0.01
"""How probable as great a difference may be by chance."""


def name_formats(clips: pd.DataFrame) -> pd.Series:
    """The format of every clip of one generator, such as `1280x720 24 fps 97-121 frames`.

    A format is one width and height, rates within 1 % and lengths within 25 % of the lowest of their kind; so a clip
    that lacks a frame makes no format of its own. The rate named is the lowest, the lengths are those that occur.

    Args:
        clips: a row per clip with the columns `COLUMNS`, null where unknown.

    Returns:
        Text, with the index of `clips`; unknown numbers are `?`.
    """
    kinds = clips[list(COLUMNS)].drop_duplicates().reset_index(drop=True)
    kinds["rate"] = np.nan
    kinds["name"] = ""
    for _, same_size in kinds.groupby(["width", "height"], dropna=False):
        kinds.loc[same_size.index, "rate"] = _lowest_alike(same_size["fps"], RATE_SPREAD)
    for (width, height, rate), same in kinds.groupby(["width", "height", "rate"], dropna=False):
        lowest = _lowest_alike(same["num_frames"], LENGTH_SPREAD)
        for _, alike in same.groupby(pd.Series(lowest, same.index), dropna=False):
            ends = dict.fromkeys(map(_text, (alike["num_frames"].min(), alike["num_frames"].max())))
            name = f"{_text(width)}x{_text(height)} {_text(rate)} fps {'-'.join(ends)} frames"
            kinds.loc[alike.index, "name"] = name
    return clips[list(COLUMNS)].merge(kinds, how="left", on=list(COLUMNS)).set_index(clips.index)["name"]


def effect_on_labels(counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """How much labels differ between formats: Cramér's V in [0, 1], and how probable as much is by chance.

    Args:
        counts: (formats, labels), clips of each; formats of fewer than `SMALL` clips are taken together.

    Returns:
        V without its bias for small tables (Bergsma, Journal of the Korean Statistical Society 2013), and the upper
        tail of the chi-square distribution (by Wilson and Hilferty's approximation); (0, 1) if nothing can be compared.
    """
    small = counts.sum(axis=1) < SMALL
    table = np.vstack([counts[~small], counts[small].sum(axis=0)]).astype(np.float64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    rows, columns = table.shape
    if rows < 2 or columns < 2:
        return 0.0, 1.0
    total = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    chi2 = float(((table - expected) ** 2 / expected).sum())
    freedom = (rows - 1) * (columns - 1)
    excess = max(0.0, chi2 / total - freedom / (total - 1))
    sides = [side - (side - 1) ** 2 / (total - 1) for side in (rows, columns)]
    v = math.sqrt(excess / max(min(sides) - 1, 1e-9))
    share = 2 / (9 * freedom)
    z = ((chi2 / freedom) ** (1 / 3) - (1 - share)) / math.sqrt(share)
    return min(1.0, v), 0.5 * math.erfc(z / math.sqrt(2))


def _lowest_alike(values: pd.Series, spread: float) -> npt.NDArray[np.float64]:
    """For each value, the lowest of those that count as one with it; NaN for null."""
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    lowest = np.full(len(numbers), np.nan)
    start = -math.inf
    for at in np.argsort(numbers, kind="stable"):
        if np.isnan(numbers[at]):
            break
        if numbers[at] > start * (1 + spread) or start == -math.inf:
            start = numbers[at]
        lowest[at] = start
    return lowest


def _text(number: Any) -> str:
    return "?" if pd.isna(number) else f"{round(float(number), 2):g}"
