"""Balanced subsets: optimal in one field, within the stated bound in several, deterministic, flagged clips last."""

from collections import Counter
from itertools import combinations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from hfv_builder.labelling.groups import join_groups
from hfv_builder.labelling.subset import choose_subset

VALUES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans()), min_size=1, max_size=10)


def table(values: list[tuple[str, str, bool]]) -> pd.DataFrame:
    rows = [{"clip_id": f"{index:04d}", "one": a, "two": b, "flagged": c} for index, (a, b, c) in enumerate(values)]
    return pd.DataFrame(rows)


def unevenness(clips: pd.DataFrame, fields: list[str]) -> int:
    return sum(count**2 for name in fields for count in Counter(clips[name]).values())


@settings(max_examples=12)
@given(VALUES, st.integers(1, 10))
def test_the_unevenness_is_within_the_stated_bound(values: list[tuple[str, str, bool]], count: int) -> None:
    clips = table(values).assign(flagged=False)
    size = min(count, len(clips))
    for fields in (["one"], ["one", "two"]):
        subset = choose_subset(clips, count, fields)
        assert subset.selected.sum() == size
        assert subset.unevenness == unevenness(clips[subset.selected], fields)
        best = min(
            unevenness(clips.iloc[[*subset_indices]], fields)
            for subset_indices in combinations(range(len(clips)), size)
        )
        assert subset.bound <= best <= subset.unevenness
        if len(fields) == 1:
            assert subset.unevenness == best == subset.bound


@settings(max_examples=12)
@given(VALUES, st.integers(1, 10))
def test_the_choice_ignores_the_order_and_takes_flagged_clips_last(
    values: list[tuple[str, str, bool]], count: int
) -> None:
    clips = table(values)
    chosen = choose_subset(clips, count, ["one", "two"]).selected
    shuffled = clips.sample(frac=1, random_state=len(values))
    chosen_of_shuffled = choose_subset(shuffled, count, ["one", "two"]).selected
    assert chosen_of_shuffled.sort_index().tolist() == chosen.tolist()
    if not clips.loc[~chosen, "flagged"].all():
        assert not clips.loc[chosen, "flagged"].any()


def test_groups_are_joined_through_chains() -> None:
    near = pd.Series(["n1", "n1", None, "n2", None])
    video = pd.Series([None, "v1", "v1", None, None])
    joined = join_groups(near, video)
    assert joined[0] == joined[1] == joined[2]
    assert joined.nunique() == 3
