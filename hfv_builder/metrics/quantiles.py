"""Exact percentiles of a clip's maps, computed without loading or sorting all of them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hfv_builder.backends.base import Maps

AT_ONCE = 16
"""Number of maps that are read together."""
HALF = 1 << 16
"""Number of values of 16 bits: each of the two passes determines 16 of the 32 bits of a percentile."""


def percentiles(maps: Maps, which: Sequence[float]) -> list[float]:
    """Return percentiles of all values, with linear interpolation as in `numpy.percentile`.

    The values are mapped to integer keys of the same order. The first pass counts the upper 16 bits of the keys, which
    gives the upper half of each order statistic; the second pass counts the lower 16 bits of the keys with that upper
    half.

    Args:
        maps: (T, h, w) float32, T ≥ 1.
        which: the percentiles, in [0, 100].

    Returns:
        One float64 per percentile; all NaN if a value of the maps is not finite.
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
        for high_bits in lower:
            lower[high_bits] = lower[high_bits] + _counts(keys[keys // HALF == high_bits] % HALF)
    values = {}
    for rank, high_bits in bins.items():
        low_bits = int(torch.searchsorted(lower[high_bits].cumsum(0), rank - int(below[high_bits]), right=True))
        values[rank] = _value(high_bits * HALF + low_bits)
    low, high = ([values[side(place)] for place in places] for side in (math.floor, math.ceil))
    return [a + (b - a) * (place % 1) for a, b, place in zip(low, high, places, strict=True)]


def _keys(maps: Maps) -> Iterator[Tensor]:
    """Yield the values of `AT_ONCE` maps at a time as int64 keys of the same order, below 2³²; 2³² if not finite."""
    for start in range(0, len(maps), AT_ONCE):
        # Adding zero turns -0.0 into 0.0; their keys would differ.
        values = maps[start : start + AT_ONCE].flatten() + 0.0
        bits = values.view(torch.int32).long()
        keys = torch.where(bits < 0, ~bits, bits + HALF * HALF // 2)
        yield torch.where(values.isfinite(), keys, HALF * HALF)


def _counts(halves: Tensor) -> Tensor:
    return torch.bincount(halves, minlength=HALF + 1).cpu()


def _value(key: int) -> float:
    """Return the float32 value of a key."""
    bits = key - HALF * HALF // 2 if key >= HALF * HALF // 2 else ~key & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))
