"""Protocols choose the test side, and no group of clips is on two sides."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.labelling.groups import keep_together
from hfv_builder.labelling.splits import Portion, split_clips
from tests.labelling.test_splits import frame, half_as_many, row_lists

PORTIONS = [Portion(), Portion(protocol="hfv"), Portion(protocol="hfv", train=0), Portion(protocol="hfv", train=7)]
group_lists = st.lists(st.sampled_from([None, *"abcdefgh"]), min_size=40, max_size=40)


def frame_with_groups(rows: list[tuple[Any, ...]], names: Sequence[str | None]) -> pd.DataFrame:
    table = frame(rows)
    return table.assign(group=pd.array(names[: len(table)], "str"))


@half_as_many
@given(row_lists, group_lists, st.sampled_from(PORTIONS))
def test_no_group_is_on_two_sides(rows: list[tuple[Any, ...]], names: list[str | None], portion: Portion) -> None:
    table = frame_with_groups(rows, names)
    split = split_clips(table, portion)
    after = split.assign(split=keep_together(split, table["group"]), group=table["group"])
    sides = after.dropna(subset=["split", "group"]).groupby("group")["split"].nunique()
    assert (sides <= 1).all()
    assert after["split"].isna().equals(split["split"].isna())
    ungrouped = after["group"].isna()
    assert after.loc[ungrouped, "split"].equals(split.loc[ungrouped, "split"])


@half_as_many
@given(row_lists, group_lists, st.sampled_from(PORTIONS), st.randoms(use_true_random=False))
def test_the_order_of_clips_does_not_matter(
    rows: list[tuple[Any, ...]], names: list[str | None], portion: Portion, random: Any
) -> None:
    table = frame_with_groups(rows, names)
    order = list(range(len(table)))
    random.shuffle(order)

    def sides(labels: pd.DataFrame) -> pd.Series:
        labels = labels.reset_index(drop=True)
        split = split_clips(labels, portion)
        return keep_together(split, labels["group"]).set_axis(split["clip_id"]).sort_index()

    pd.testing.assert_series_equal(sides(table.iloc[order]), sides(table))


@half_as_many
@given(row_lists)
def test_pooled_splits_without_groups_have_no_test_side(rows: list[tuple[Any, ...]]) -> None:
    table = frame(rows)
    split = split_clips(table)
    assert not split["split"].eq("test").any()
    assert keep_together(split, table["clip_id"]).equals(split["split"])
    pd.testing.assert_frame_equal(
        split_clips(table, Portion(train=10**6)).drop(columns="policy"), split.drop(columns="policy")
    )


@pytest.mark.parametrize("count", [0, 7, 40])
def test_a_portion_is_divided_into_train_and_val_and_the_rest_is_test(count: int) -> None:
    split = split_clips(frame([("k400", 0.0, 0.0, 0.0, 3)] * 40), Portion(protocol="hfv", train=count))
    counts = split["split"].value_counts()
    assert counts.get("test", 0) == 40 - count
    assert counts.get("val", 0) == (20 * count + 50) // 100
    assert split["class_size"].eq(40).all()
    assert set(split["protocol"]) == {"hfv"}


def test_whole_groups_are_chosen_up_to_the_requested_count() -> None:
    names = [f"video{number // 3}" for number in range(40)]
    table = frame_with_groups([("k400", 0.0, 0.0, 0.0, 3)] * 40, names)
    split = split_clips(table, Portion(protocol="hfv", train=20))
    is_test = split["split"].eq("test").groupby(table["group"])
    assert (is_test.all() | ~is_test.any()).all()
    assert 18 <= split["split"].ne("test").sum() <= 20


def test_grouping_keeps_val_close_to_the_top_of_each_class() -> None:
    """With five clips a prompt, as in VBench, val changes by less than a group and keeps the most anomalous clips."""
    rows = [("kling", float(index * 37 % 200), 0.0, 0.0, 0) for index in range(200)]
    table = frame(rows).assign(group=[f"p{index // 5}" for index in range(200)])
    split = split_clips(table)
    after = split.assign(split=keep_together(split, table["group"]))
    assert abs(after["split"].eq("val").sum() - 40) <= 4
    mean_rank = after.groupby("split")["class_rank"].mean()
    assert mean_rank["val"] < mean_rank["train"]


def test_a_group_with_a_test_clip_is_test() -> None:
    train = split_clips(frame([("a", 1.0, 0.0, 0.0, 0), ("a", 2.0, 0.0, 0.0, 0)]))
    test = split_clips(frame([("b", 1.0, 0.0, 0.0, 0)]), Portion(protocol="hfv", train=0)).assign(clip_id="z")
    both = pd.concat([train, test], ignore_index=True)
    assert keep_together(both, pd.Series(["x", "y", "x"])).tolist() == ["test", "train", "test"]
