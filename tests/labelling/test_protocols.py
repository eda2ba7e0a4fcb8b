"""Protocols and groups: what is test, and that no group stands on two sides."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfv_builder.labelling.groups import keep_together
from hfv_builder.labelling.splits import Portion, split_clips
from tests.labelling.test_splits import frame, rows_of

PORTIONS = [Portion(), Portion(protocol="hfv"), Portion(protocol="hfv", train=0), Portion(protocol="hfv", train=7)]
groups_of = st.lists(st.sampled_from([None, *"abcdefgh"]), min_size=40, max_size=40)


def grouped(rows: list[tuple[Any, ...]], names: Sequence[str | None]) -> pd.DataFrame:
    table = frame(rows)
    return table.assign(group=pd.array(names[: len(table)], "str"))


@given(rows_of, groups_of, st.sampled_from(PORTIONS))
@settings(max_examples=30)
def test_no_group_is_on_two_sides(rows: list[tuple[Any, ...]], names: list[str | None], portion: Portion) -> None:
    table = grouped(rows, names)
    split = split_clips(table, portion)
    after = split.assign(split=keep_together(split, table["group"]), group=table["group"])
    sides = after.dropna(subset=["split", "group"]).groupby("group")["split"].nunique()
    assert (sides <= 1).all()
    assert after["split"].isna().equals(split["split"].isna())
    alone = after["group"].isna()
    assert after.loc[alone, "split"].equals(split.loc[alone, "split"])


@given(rows_of, groups_of, st.sampled_from(PORTIONS), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_clips_does_not_matter(
    rows: list[tuple[Any, ...]], names: list[str | None], portion: Portion, random: Any
) -> None:
    table = grouped(rows, names)
    order = list(range(len(table)))
    random.shuffle(order)

    def sides(labels: pd.DataFrame) -> pd.Series:
        labels = labels.reset_index(drop=True)
        split = split_clips(labels, portion)
        return keep_together(split, labels["group"]).set_axis(split["clip_id"]).sort_index()

    pd.testing.assert_series_equal(sides(table.iloc[order]), sides(table))


@given(rows_of)
def test_pooled_without_groups_is_as_ever(rows: list[tuple[Any, ...]]) -> None:
    table = frame(rows)
    split = split_clips(table)
    assert not split["split"].eq("test").any()
    assert keep_together(split, table["clip_id"]).equals(split["split"])
    pd.testing.assert_frame_equal(
        split_clips(table, Portion(train=10**6)).drop(columns="policy"), split.drop(columns="policy")
    )


@pytest.mark.parametrize("count", [0, 7, 40])
def test_a_portion_of_the_clips_is_divided_and_the_rest_is_test(count: int) -> None:
    split = split_clips(frame([("k400", 0.0, 0.0, 0.0, 3)] * 40), Portion(protocol="hfv", train=count))
    counts = split["split"].value_counts()
    assert counts.get("test", 0) == 40 - count
    assert counts.get("val", 0) == (20 * count + 50) // 100
    assert split["class_size"].eq(40).all()
    assert set(split["protocol"]) == {"hfv"}


def test_whole_groups_are_chosen_and_never_more_clips_than_asked_for() -> None:
    names = [f"video{number // 3}" for number in range(40)]
    table = grouped([("k400", 0.0, 0.0, 0.0, 3)] * 40, names)
    split = split_clips(table, Portion(protocol="hfv", train=20))
    is_test = split["split"].eq("test").groupby(table["group"])
    assert (is_test.all() | ~is_test.any()).all()
    assert 18 <= split["split"].ne("test").sum() <= 20


def test_grouping_keeps_val_close_to_the_top_of_each_class() -> None:
    """Five clips a prompt as in VBench: val keeps its size to within a group, and prefers the anomalous."""
    rows = [("kling", float(number * 37 % 200), 0.0, 0.0, 0) for number in range(200)]
    table = frame(rows).assign(group=[f"p{number // 5}" for number in range(200)])
    split = split_clips(table)
    after = split.assign(split=keep_together(split, table["group"]))
    assert abs(after["split"].eq("val").sum() - 40) <= 4
    place = after.groupby("split")["class_rank"].mean()
    assert place["val"] < place["train"]


def test_a_group_with_a_test_clip_is_test() -> None:
    train = split_clips(frame([("a", 1.0, 0.0, 0.0, 0), ("a", 2.0, 0.0, 0.0, 0)]))
    test = split_clips(frame([("b", 1.0, 0.0, 0.0, 0)]), Portion(protocol="hfv", train=0)).assign(clip_id="z")
    both = pd.concat([train, test], ignore_index=True)
    assert keep_together(both, pd.Series(["x", "y", "x"])).tolist() == ["test", "train", "test"]
