"""Group clips by format (size, frame rate, length), and measure how much the labels depend on it.

Scores depend on the format of a clip, so a generator that delivers several formats is not ranked fairly as one.
"""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

RATE_SPREAD = 0.01
"""Largest relative difference to the lowest rate of a format: 23.976 and 24 are one format."""
LENGTH_SPREAD = 0.25
"""Largest relative difference to the lowest length of a format: 97 and 121 frames are one, 81 and 121 are not."""
COLUMNS = ("width", "height", "fps", "num_frames")
"""Columns of `clips` that define a format."""
SMALL = 5
"""Formats with fewer clips are merged when the effect on the labels is computed."""
STRONG = 0.2
"""Smallest Cramér's V at which a difference between formats is reported, if it is significant."""
CHANCE = 0.01
"""Significance level."""


def name_formats(clips: pd.DataFrame) -> pd.Series:
    """Return the format of every clip of one generator, such as `1280x720 24 fps 97-121 frames`.

    Clips of a format have the same width and height, rates within 1 % of the lowest and lengths within 25 % of the
    lowest, so that a missing frame does not make another format. The name has the lowest rate, and the least and the
    greatest length.

    Args:
        clips: a row per clip with the columns `COLUMNS`, null if unknown.

    Returns:
        Text, with the index of `clips`; unknown values are `?`.
    """
    kind_of = clips.groupby(list(COLUMNS), dropna=False, sort=False).ngroup().to_numpy()
    _, first = np.unique(kind_of, return_index=True)
    kinds = clips[list(COLUMNS)].iloc[first].to_numpy(np.float64, na_value=np.nan)
    lowest = kinds.copy()
    for same_size in _groups(lowest[:, :2]):
        lowest[same_size, 2] = _lowest_alike(kinds[same_size, 2], RATE_SPREAD)
    for same_rate in _groups(lowest[:, :3]):
        lowest[same_rate, 3] = _lowest_alike(kinds[same_rate, 3], LENGTH_SPREAD)
    names = np.empty(len(kinds), object)
    for alike in _groups(lowest):
        width, height, rate, _ = map(_text, lowest[alike[0]])
        lengths = kinds[alike, 3]
        ends = dict.fromkeys(map(_text, (lengths.min(), lengths.max())))
        names[alike] = f"{width}x{height} {rate} fps {'-'.join(ends)} frames"
    return pd.Series(names[kind_of], clips.index, dtype="str", name="name")


def _groups(rows: npt.NDArray[np.float64]) -> list[list[int]]:
    """Return the indices of equal rows; NaN equals NaN."""
    groups: dict[tuple[float | None, ...], list[int]] = {}
    for index, row in enumerate(rows.tolist()):
        groups.setdefault(tuple(None if math.isnan(value) else value for value in row), []).append(index)
    return [*groups.values()]


def effect_on_labels(counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return how much labels depend on formats: Cramér's V in [0, 1], and its p-value.

    Args:
        counts: (formats, labels), numbers of clips; formats with fewer than `SMALL` clips are merged.

    """
    small = counts.sum(axis=1) < SMALL
    return association(np.vstack([counts[~small], counts[small].sum(axis=0)]).astype(np.float64))


def association(table: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return Cramér's V of a table of counts, and its p-value.

    Returns:
        Bias-corrected V (Bergsma, Journal of the Korean Statistical Society 2013), and the upper tail of the chi-square
        distribution (Wilson and Hilferty's approximation); (0, 1) if the table has only one row or column.
    """
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


def _lowest_alike(array: npt.NDArray[np.float64], spread: float) -> npt.NDArray[np.float64]:
    """Return the lowest value of every value's group, whose values differ by at most `spread` from it; NaN for NaN."""
    lowest = np.full(len(array), np.nan)
    start = -math.inf
    for row in np.argsort(array, kind="stable"):
        if np.isnan(array[row]):
            break
        if array[row] > start * (1 + spread) or start == -math.inf:
            start = array[row]
        lowest[row] = start
    return lowest


def _text(number: float) -> str:
    return "?" if math.isnan(number) else f"{round(float(number), 2):g}"
