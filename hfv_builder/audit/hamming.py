"""Pairs of 64-bit hashes that differ in few bits, without comparing all pairs."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
BITS = 64


def near_pairs(hashes: Hashes, distance: int) -> tuple[Ints, Ints]:
    """Return all pairs of hashes that differ in at most `distance` bits.

    Hashes that differ in at most d bits agree in one of d + 1 bands of bits, so only those that share a band are
    compared.

    Args:
        hashes: (n,) uint64.
        distance: d, from 0 to 63.

    Returns:
        The positions of the first and of the second hash of every pair, (p,) int64 each; first < second, sorted.
    """
    edges = np.linspace(0, BITS, distance + 2).round().astype(int)
    bands = [_band(hashes, start, end) for start, end in pairwise(edges.tolist())]
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, band in enumerate(bands):
        for first, second in _sharing(band):
            near = np.bitwise_count(hashes[first] ^ hashes[second]) <= distance
            first, second = first[near], second[near]
            for earlier in bands[:number]:  # which has found the pair already
                new = earlier[first] != earlier[second]
                first, second = first[new], second[new]
            firsts.append(np.minimum(first, second))
            seconds.append(np.maximum(first, second))
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    order = np.lexsort((second, first))
    return first[order], second[order]


def _band(hashes: Hashes, start: int, end: int) -> Hashes:
    """Return the bits from `start` up to `end` of each hash."""
    return (hashes >> np.uint64(start)) & np.uint64((1 << (end - start)) - 1)


def _sharing(band: Hashes) -> Iterator[tuple[Ints, Ints]]:
    """Yield the pairs of equal values, as pairs of arrays of positions."""
    order = np.argsort(band, kind="stable")
    values = band[order]
    last = np.searchsorted(values, values, side="right")
    place, step = np.arange(len(values)), 1
    while len(place := place[place + step < last[place]]):
        yield order[place], order[place + step]
        step += 1
