"""Groups of near duplicates: clips that show the same frames after encoding, resizing, trimming, mirroring or bars."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hfv_builder.audit.hamming import Hashes, Ints, near_pairs
from hfv_builder.frames.hashing import MIRROR

CANDIDATE = 3
"""Bits in which a frame of one clip may differ from a frame of another for the two clips to be compared."""
SAME = 8.0
"""Bits up to which the frames of two clips may differ in the median for the clips to be near duplicates."""
SURE = 3.0
"""Bits up to which embeddings need not confirm near duplicates, since bars change an embedding but no hash."""
ALIKE = 0.9
"""Smallest cosine of the mean embeddings of clips that differ in more bits, for them to be near duplicates."""
SHARING = 8
"""Number of clips with a common hash up to which all their pairs are compared."""
AT_ONCE = 20_000
"""Pairs of clips that are compared together."""

Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs of near duplicates; (p,) arrays. Every clip of a group is linked to another by one of them."""

    first: Ints
    """Positions of clips."""
    second: Ints
    """Positions of clips, larger than `first`."""
    bits: Floats
    """Bits in which the frames differ in the median."""


def near_duplicates(hashes: Sequence[Sequence[int] | Hashes], vectors: Vectors | None = None) -> Pairs:
    """Return the pairs of near duplicates, those of clips that are mirrored left to right too.

    Two clips are compared if a frame of one differs in at most `CANDIDATE` bits from a frame of the other. The distance
    of a frame from the other clip is the number of bits in which it differs from the most similar frame there.

    Args:
        hashes: the frame hashes of each clip.
        vectors: (n, D), the L2-normalised mean embedding of each clip, NaN where there is none; None if there are none.
    """
    counts = np.array([len(own) for own in hashes], np.int64)
    frames = np.zeros((len(hashes), max(1, int(counts.max(initial=1)))), np.uint64)
    for row, own in enumerate(hashes):
        if len(own):  # repeated frames of a short clip change no smallest distance
            frames[row] = np.resize(np.asarray(own, np.uint64), frames.shape[1])
    clip = np.repeat(np.arange(len(hashes)), counts)
    flat = np.concatenate([np.zeros(0, np.uint64), *(np.asarray(own, np.uint64) for own in hashes)])
    first, second = _candidates(clip, flat)
    parts = [slice(at, at + AT_ONCE) for at in range(0, len(first), AT_ONCE)]
    bits = np.concatenate([np.zeros(0), *(_bits(frames, counts, first[part], second[part]) for part in parts)])
    near = bits <= SAME
    if vectors is not None:
        cosine = np.einsum("ij,ij->i", vectors[first], vectors[second])
        near &= (bits <= SURE) | ~(cosine < ALIKE)  # pairs with NaN stay
    return Pairs(first=first[near], second=second[near], bits=bits[near])


def near_groups(pairs: Pairs, clips: int) -> Ints:
    """Return the group of each clip, (clips,) int64: clips that are linked by pairs share a number."""
    links = coo_array((np.ones(len(pairs.first), np.int8), (pairs.first, pairs.second)), shape=(clips, clips))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _candidates(clip: Ints, hashes: Hashes) -> tuple[Ints, Ints]:
    """Return the pairs of clips to compare, first < second, sorted.

    Args:
        clip: (h,), the clip of each hash.
        hashes: (h,) uint64; they are also compared with the mirrored ones.
    """
    clip, hashes = np.tile(clip, 2), np.concatenate([hashes, hashes ^ np.uint64(MIRROR)])
    order = np.lexsort((clip, hashes))
    clip, hashes = clip[order], hashes[order]
    again = (clip[1:] == clip[:-1]) & (hashes[1:] == hashes[:-1])  # such as the frames of a static clip
    clip, hashes = np.delete(clip, 1 + np.flatnonzero(again)), np.delete(hashes, 1 + np.flatnonzero(again))
    unique, start, size = np.unique(hashes, return_index=True, return_counts=True)
    leader = clip[np.repeat(start, size)]
    same = hashes[1:] == hashes[:-1]
    one, other = near_pairs(unique, CANDIDATE)
    shared, several = np.flatnonzero(size > 1), (size[one] > 1) | (size[other] > 1)
    first, second = _crossed(
        start, np.minimum(size, SHARING), np.append(shared, one[several]), np.append(shared, other[several])
    )
    # Of more clips that share a hash, each is compared with the first and the next one, which avoids quadratic time.
    firsts = np.concatenate([leader, clip[:-1][same], clip[start[one]], clip[first]])
    seconds = np.concatenate([clip, clip[1:][same], clip[start[other]], clip[second]])
    low, high = np.minimum(firsts, seconds), np.maximum(firsts, seconds)
    clips = int(clip.max(initial=0)) + 1
    pairs = np.unique((low * clips + high)[low < high])
    return pairs // clips, pairs % clips


def _crossed(start: Ints, size: Ints, one: Ints, other: Ints) -> tuple[Ints, Ints]:
    """Return all pairs of a member of a group and a member of another group, as their positions.

    Args:
        start: (g,), the position of the first member of each group.
        size: (g,), the number of its members.
        one: (p,), groups.
        other: (p,), the groups to pair them with.
    """
    counts = size[one] * size[other]
    pair = np.repeat(np.arange(len(one)), counts)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    across = size[other][pair]
    return start[one][pair] + place // across, start[other][pair] + place % across


def _bits(frames: Hashes, counts: Ints, first: Ints, second: Ints) -> Floats:
    """Return the bits in which the frames of pairs of clips, or those of a mirrored clip, differ in the median.

    Args:
        frames: (n, F), the hashes of each clip; those after its `counts` are repetitions.
        counts: (n,), the number of its frames.
        first: (p,), positions of clips.
        second: (p,), likewise.
    """
    found = []
    for mask in (0, MIRROR):
        differing = np.bitwise_count(frames[first][:, :, None] ^ frames[second][:, None, :] ^ np.uint64(mask))
        there, back = _median(differing.min(axis=2), counts[first]), _median(differing.min(axis=1), counts[second])
        found.append(np.maximum(there, back))
    return np.asarray(np.min(found, axis=0), np.float64)


def _median(values: npt.NDArray[np.uint8], counts: Ints) -> Floats:
    """Return the median of the first `counts` values of each row."""
    known = np.arange(values.shape[1]) < counts[:, None]
    ordered = np.sort(np.where(known, values, np.iinfo(np.uint8).max), axis=1)
    low, high = (np.take_along_axis(ordered, place[:, None], axis=1) for place in ((counts - 1) // 2, counts // 2))
    return np.asarray((low[:, 0].astype(np.float64) + high[:, 0]) / 2)
