"""Class ranks, confidence and the split into train, val and test (paper, §3.2.3 and §3.4)."""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.records import METRICS, Label, Split

Protocol = Literal["pooled", "hfv"]
VAL_PERCENT = 20
SEED = 0
POLICY = f"top{VAL_PERCENT}"
"""Rule for fake clips: the most anomalous of every class are val."""
REAL_POLICY = f"hash{VAL_PERCENT}-seed{SEED}"
"""Rule for real clips: those with the smallest hash are val."""
TEST_POLICY = "test"
"""Rule for a generator whose clips are all test."""


@dataclass(frozen=True, kw_only=True)
class Portion:
    """The part of one generator that a protocol assigns to train and val; its other clips are test."""

    protocol: Protocol = "pooled"
    train: int | None = None
    """Clips for train and val, chosen by seeded hash of their group; None takes all."""

    def policy(self, *, real: bool) -> str:
        """The name of the rule, for the column `policy`."""
        if self.train == 0:
            return TEST_POLICY
        rule = REAL_POLICY if real else POLICY
        return rule if self.train is None else f"train{self.train}-{rule}"


POOLED = Portion()
"""80/20 inside every generator."""


def val_size(class_size: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of val clips of a class of n clips, ⌊0.2 n + ½⌋, in exact integer arithmetic."""
    return (VAL_PERCENT * class_size + 50) // 100


def confidence_weight(r_hat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weight α = log(e + r̂) (eq. 7), in (1, 1.32]; it is closer to 1 for more anomalous clips."""
    return np.log(math.e + r_hat)


def split_clips(labels: pd.DataFrame, portion: Portion = POOLED) -> pd.DataFrame:
    """Rank every class inside its generator and split it.

    Args:
        labels: a row per clip with columns clip_id, generator, spatial, appearance, motion (float64), label
            (Int32, null = none) and fingerprint (of the labels). With a column `group` (text, null = the clip alone),
            whole groups are chosen where `portion` takes some of the clips.
        portion: what goes to train and val of each of the generators.

    Returns:
        The same rows in the same order, with columns clip_id, generator, label, class_rank (Int32, by descending
        score of the label's metric, ties by clip_id; null for real clips), class_size (Int32), r_hat (float64,
        class_rank / class_size in (0, 1], eq. 6; 0 for real clips), confidence_weight (float64), split (`test` for
        what `portion` leaves; of the others `val` for the top 20 % of each class, of real clips for a seeded 20 % by
        hash of clip_id; else `train`), protocol, policy and fingerprint. All but the first two are null for a clip
        that is not taken: it has no label, or no finite score on the metric of its label, and so no place in its class.
    """
    rows = labels[["clip_id", "generator", "label", "fingerprint"]].reset_index(drop=True)
    order = labels[[metric.value for metric in METRICS]].to_numpy(np.float64)
    label = rows["label"].to_numpy(np.int64, na_value=-1)
    real = label == Label.REAL
    fake = (label >= 0) & ~real
    key = np.full(len(rows), np.nan)
    key[fake] = order[fake, label[fake]]
    key[real] = [-_hash(clip_id) for clip_id in rows.loc[real, "clip_id"]]
    taken = np.isfinite(key)

    groups = (labels["group"] if "group" in labels else labels["clip_id"]).reset_index(drop=True)
    chosen = taken & _chosen(rows["generator"], groups.fillna(rows["clip_id"]), taken, portion.train)
    class_of = rows["generator"].factorize()[0] * len(Label) + label
    ids, _ = rows["clip_id"].factorize(sort=True)
    place = np.flatnonzero(taken)
    place = place[np.lexsort((ids[place], -key[place], class_of[place]))]  # class by class, the most anomalous first
    rank, size = _places(class_of[place], np.ones(len(place), np.int64), place, len(rows))
    rank_chosen, size_chosen = _places(class_of[place], chosen[place].astype(np.int64), place, len(rows))
    r_hat = np.divide(rank, size, out=np.zeros(len(rows)), where=fake & taken)

    train_or_val = np.where(rank_chosen <= val_size(size_chosen), Split.VAL.value, Split.TRAIN.value)
    columns = {
        "clip_id": rows["clip_id"],
        "generator": rows["generator"],
        "label": rows["label"].mask(~taken),
        "fingerprint": rows["fingerprint"].mask(~taken),
        "class_rank": pd.arrays.IntegerArray(rank.astype(np.int32), ~taken | real),
        "class_size": pd.arrays.IntegerArray(size.astype(np.int32), ~taken),
        "r_hat": pd.arrays.FloatingArray(r_hat, ~taken),
        "confidence_weight": pd.arrays.FloatingArray(confidence_weight(r_hat), ~taken),
        "split": _text(np.where(chosen, train_or_val, Split.TEST.value), taken),
        "protocol": _text(np.full(len(rows), portion.protocol), taken),
        "policy": _text(np.where(real, portion.policy(real=True), portion.policy(real=False)), taken),
    }
    return pd.DataFrame(columns)


def _text(values: npt.NDArray[np.str_], taken: npt.NDArray[np.bool_]) -> pd.Series:
    """Return the texts, null where a clip is not taken."""
    return pd.Series(values.astype(object), dtype="str").mask(~taken)


def _places(
    class_of: npt.NDArray[np.int64], counted: npt.NDArray[np.int64], place: npt.NDArray[np.int64], rows: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return two counts for each clip: the counted clips of its class up to and including it, and all of its class.

    Both are 0 for other rows.

    Args:
        class_of: of the clips, sorted by class.
        counted: 1 for a clip that counts, else 0.
        place: the row of each clip.
        rows: number of rows.
    """
    rank, size = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    _, start, length = np.unique(class_of, return_index=True, return_counts=True)
    total = np.concatenate([[0], np.cumsum(counted)])
    rank[place] = total[1:] - np.repeat(total[start], length)
    size[place] = np.repeat(total[start + length] - total[start], length)
    return rank, size


def _chosen(
    generators: pd.Series, groups: pd.Series, taken: npt.NDArray[np.bool_], count: int | None
) -> npt.NDArray[np.bool_]:
    """Return the mask of clips for train and val: whole groups by their hash while they fit into `count`."""
    if count is None or count == 0:
        return np.full(len(groups), count is None)
    kept: set[tuple[str, str]] = set()
    sizes = groups[taken].groupby([generators[taken], groups[taken]]).size()
    left: dict[str, int] = {}
    for generator, group in sorted(sizes.index, key=lambda key: (_hash(f"train:{key[1]}"), key)):
        rest = left.get(generator, count) - int(sizes[generator, group])
        if rest >= 0:
            left[generator] = rest
            kept.add((generator, group))
    return np.array([key in kept for key in zip(generators, groups, strict=True)], np.bool_)


def _hash(text: str) -> int:
    """Return the seeded hash that orders real clips: 53 bits, which float64 represents exactly."""
    return int.from_bytes(hashlib.sha256(f"{SEED}:{text}".encode()).digest()[:8]) >> 11
