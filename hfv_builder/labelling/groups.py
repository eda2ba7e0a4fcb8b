"""Groups of clips, such as those of one prompt, that a split keeps on one side."""

from collections import Counter

import numpy as np
import pandas as pd

from hfv_builder.records import Split

Stratum = tuple[str, int]
"""A generator and a label."""


def keep_together(rows: pd.DataFrame, groups: pd.Series) -> pd.Series:
    """Move whole groups to one side.

    A group with a clip in `test` becomes `test`. Of the other groups that stand on two sides, those with the largest
    share of `val` clips become `val` while this brings the `val` clips of each generator and label closer to their
    number without groups; the rest become `train`.

    Args:
        rows: a row per clip with columns clip_id, generator, label, class_rank, class_size and split, as `split_clips`
            returns them; clips without a split do not move.
        groups: the group of each clip, text, with the index of `rows`; null is a group of the clip alone.

    Returns:
        The split of each clip, text, with the index of `rows`. It depends on no order of rows; groups that stand on one
        side, all groups of one clip among them, keep it.
    """
    split = rows["split"].copy()
    grouped = rows.assign(group=groups).loc[split.notna() & groups.notna()].sort_values("clip_id")
    sides = grouped.groupby("group")["split"].nunique()
    mixed = grouped[grouped["group"].isin(sides.index[sides > 1])]
    if mixed.empty:
        return split
    has_test = mixed["split"].eq(Split.TEST).groupby(mixed["group"]).transform("any")
    split.loc[mixed.index[has_test]] = Split.TEST.value
    movable = mixed[~has_test]
    wanted = Counter(_strata(movable[movable["split"].eq(Split.VAL)]))
    missing = dict.fromkeys(_strata(movable), 0) | wanted
    of_group: dict[str, list[Stratum]] = {}
    for group, stratum in zip(movable["group"], _strata(movable), strict=True):
        of_group.setdefault(group, []).append(stratum)
    val = []
    for group in _most_val_first(movable):
        added = Counter(of_group[group])
        gain = sum(abs(missing[stratum]) - abs(missing[stratum] - count) for stratum, count in added.items())
        if gain > 0:
            val.append(group)
            for stratum, count in added.items():
                missing[stratum] -= count
    split.loc[movable.index] = np.where(movable["group"].isin(val), Split.VAL.value, Split.TRAIN.value)
    return split


def join_groups(*columns: pd.Series) -> pd.Series:
    """Return the groups of clips that share a group in one of the columns, directly or by a chain of others.

    Args:
        columns: the groups of each clip, text, with one index; null is no group.

    Returns:
        Text, the number of the group, with that index.
    """
    from scipy.sparse import coo_array  # takes a while to import, and most splits join nothing
    from scipy.sparse.csgraph import connected_components

    count = len(columns[0])
    leaders = []
    for column in columns:
        names = pd.factorize(column.reset_index(drop=True))[0]
        first = pd.Series(np.arange(count)).groupby(names).transform("min").to_numpy()
        leaders.append(np.where(names < 0, np.arange(count), first))
    ends = (np.tile(np.arange(count), len(columns)), np.concatenate(leaders))
    links = coo_array((np.ones(count * len(columns), np.int8), ends), shape=(count, count))
    group = connected_components(links, directed=False)[1]
    return pd.Series(group, columns[0].index).astype("str")


def _strata(rows: pd.DataFrame) -> list[Stratum]:
    return [*zip(rows["generator"].astype(str), rows["label"].astype(int), strict=True)]


def _most_val_first(rows: pd.DataFrame) -> list[str]:
    """Return the groups by falling share of val clips, then by mean place of their clips, then by name."""
    place = rows["class_rank"].astype("Float64") / rows["class_size"].astype("Float64")
    facts = pd.DataFrame({"group": rows["group"], "val": rows["split"].eq(Split.VAL), "place": place.fillna(0.5)})
    means = facts.groupby("group").mean().reset_index()
    ordered = means.sort_values(["val", "place", "group"], ascending=[False, True, True])
    return [str(group) for group in ordered["group"]]
