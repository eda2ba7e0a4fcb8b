"""Choose a balanced subset of clips, before they are labelled."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Subset:
    """A choice of clips."""

    selected: pd.Series
    """bool, with the index of the clips."""
    unevenness: int
    """Sum of the squares of how many clips have each value of each field; the smaller, the more even."""
    bound: int
    """A lower bound of what any choice of as many clips has: each field as even as it could be by itself."""

    @property
    def gap(self) -> float:
        """Return by which share the unevenness exceeds the bound; the optimum lies between them."""
        return self.unevenness / self.bound - 1 if self.bound else 0.0


def choose_subset(clips: pd.DataFrame, count: int, fields: Sequence[str], *, seed: int = 0) -> Subset:
    """Return the choice of `count` clips that is as even as possible in all fields, by a greedy rule.

    The next clip is always one that adds least to the unevenness, so that the values that are rarest among the chosen
    come first. With one field the choice is optimal. Of equal clips the one with the smallest seeded hash is taken, so
    the choice depends on no order of rows.

    Args:
        clips: a row per clip with clip_id, the fields (text) and `flagged` (bool): clips that are taken last.
        count: how many to choose; all if there are fewer.
        fields: columns to balance.
        seed: of the choice among equal clips.
    """
    wanted = min(count, len(clips))
    keys = [
        (bool(flagged), *values)
        for flagged, *values in zip(clips["flagged"], *(clips[name].astype(str) for name in fields), strict=True)
    ]
    cells: dict[tuple[object, ...], list[tuple[str, int]]] = {}
    for place, (key, clip_id) in enumerate(zip(keys, clips["clip_id"], strict=True)):
        cells.setdefault(key, []).append((_hash(clip_id, seed), place))
    for own in cells.values():
        own.sort(reverse=True)
    taken = [Counter[object]() for _ in fields]

    def cost(key: tuple[object, ...]) -> tuple[bool, int]:
        return bool(key[0]), sum(2 * counts[value] + 1 for counts, value in zip(taken, key[1:], strict=True))

    heap = [(cost(key), own[-1][0], key) for key, own in cells.items()]
    heapq.heapify(heap)
    chosen = np.zeros(len(clips), bool)
    while wanted:
        before, _, key = heapq.heappop(heap)
        own = cells[key]
        if (now := cost(key)) > before:  # costs only grow
            heapq.heappush(heap, (now, own[-1][0], key))
            continue
        chosen[own.pop()[1]] = True
        wanted -= 1
        for counts, value in zip(taken, key[1:], strict=True):
            counts[value] += 1
        if own:
            heapq.heappush(heap, (cost(key), own[-1][0], key))
    unevenness = sum(number * number for counts in taken for number in counts.values())
    total = int(chosen.sum())
    bound = sum(_most_even(clips[name].astype(str).value_counts().tolist(), total) for name in fields)
    return Subset(selected=pd.Series(chosen, clips.index), unevenness=unevenness, bound=bound)


def _most_even(available: Sequence[int], total: int) -> int:
    """Return the smallest sum of squares of counts with this sum, none above what is available."""
    left, squares = total, 0
    for place, most in enumerate(sorted(available)):
        values = len(available) - place
        count = min(most, left // values)
        squares += count * count
        left -= count
        if count < most:  # all others get as many, or one more
            values -= 1
            high = left - count * values
            return squares + high * (count + 1) ** 2 + (values - high) * count**2
    return squares


def _hash(clip_id: str, seed: int) -> str:
    return hashlib.sha256(f"select:{seed}:{clip_id}".encode()).hexdigest()
