"""Exact percentiles of a clip's maps, found without holding or sorting them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hfv_builder.backends.base import Maps

AT_ONCE = 16
"""Maps that are looked at together."""
HALF = 1 << 16
"""Each of the two readings decides 16 of the 32 bits of a value."""


def percentiles(maps: Maps, which: Sequence[float]) -> list[float]:
    """Percentiles of all values, interpolated linearly between order statistics (the default of `numpy.percentile`).

    Floats sort like their bit patterns. The first reading counts the upper halves of the patterns, which tells the
    upper half of each wanted value; the second counts the lower halves of those that share it.

    Args:
        maps: (T, h, w) float32, T ≥ 1.
        which: in [0, 100].

    Returns:
        One float64 for each; NaN if a value of the maps is not finite.
    """
    upper = sum(_counts(keys // HALF) for keys in _keys(maps))
    if not isinstance(upper, Tensor) or upper[-1] > 0:
        return [math.nan] * len(which)
    below = torch.cat([torch.zeros(1, dtype=torch.int64), upper.cumsum(0)])
    last = int(below[-1]) - 1
    places = [share / 100 * last for share in which]
    ranks = {rank for place in places for rank in (math.floor(place), math.ceil(place))}
    bins = {rank: int(torch.searchsorted(below, rank, right=True)) - 1 for rank in ranks}
    lower = dict.fromkeys(bins.values(), torch.zeros(HALF + 1, dtype=torch.int64))
    for keys in _keys(maps):
        for each in lower:
            lower[each] = lower[each] + _counts(keys[keys // HALF == each] % HALF)
    values = {}
    for rank, each in bins.items():
        half = int(torch.searchsorted(lower[each].cumsum(0), rank - int(below[each]), right=True))
        values[rank] = _value(each * HALF + half)
    low, high = ([values[side(place)] for place in places] for side in (math.floor, math.ceil))
    return [a + (b - a) * (place % 1) for a, b, place in zip(low, high, places, strict=True)]


def _keys(maps: Maps) -> Iterator[Tensor]:
    """The values as int64 keys of the same order below 2³², or at 2³² if they are not finite; some maps at a time."""
    for start in range(0, len(maps), AT_ONCE):
        # Adding zero turns -0.0 into 0.0, which would sort as two values.
        values = maps[start : start + AT_ONCE].flatten() + 0.0
        bits = values.view(torch.int32).long()
        keys = torch.where(bits < 0, ~bits, bits + HALF * HALF // 2)
        yield torch.where(values.isfinite(), keys, HALF * HALF)


def _counts(halves: Tensor) -> Tensor:
    return torch.bincount(halves, minlength=HALF + 1).cpu()


def _value(key: int) -> float:
    """The float32 of a key, exactly."""
    bits = key - HALF * HALF // 2 if key >= HALF * HALF // 2 else ~key & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))
