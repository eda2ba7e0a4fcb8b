"""Splits have exact sizes, the top of each class in val, and the confidence of eq. 6 and 7."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfv_builder.labelling.splits import confidence_weight, split_clips, val_size
from hfv_builder.records import METRICS
from tests.oracle import split_rows

NAMES = [metric.value for metric in METRICS]
value = st.one_of(st.integers(0, 4).map(float), st.floats(-1e6, 1e6))
score = st.one_of(st.none(), value)
rows_of_tables = st.tuples(st.sampled_from(["kling", "pika"]), score, score, score, st.sampled_from([None, 0, 1, 2, 3]))
row_lists = st.lists(rows_of_tables, max_size=8) | st.lists(rows_of_tables, min_size=9, max_size=40)
half_as_many = settings(max_examples=25)
"""For lists half of which are longer than the five elements that lists without a smallest size have on average."""


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    generators, *scores, labels = zip(*rows, strict=True) if rows else [()] * 5
    columns = {
        "clip_id": pd.array([f"{i * 7919 % 9973:016x}" for i in range(len(rows))], "str"),
        "generator": pd.array(generators, "str"),
        **{name: np.array(values, np.float64) for name, values in zip(NAMES, scores, strict=True)},
        "label": pd.array(labels, "Int32"),
        "fingerprint": pd.array(["f"] * len(rows), "str"),
    }
    return pd.DataFrame(columns)


@half_as_many
@given(row_lists)
def test_splits_equal_those_of_a_plain_loop(rows: list[tuple[Any, ...]]) -> None:
    table = frame(rows)
    as_dicts = [
        {str(key): None if pd.isna(cell) else cell for key, cell in row.items()}
        for row in table.astype(object).to_dict("records")
    ]
    rows_of_split = split_clips(table).astype(object).to_dict("records")
    for actual, expected in zip(rows_of_split, split_rows(as_dicts), strict=True):
        for key in ("class_rank", "class_size", "split"):
            assert (None if pd.isna(actual[key]) else actual[key]) == expected[key]
        for key in ("r_hat", "confidence_weight"):
            value = None if pd.isna(actual[key]) else actual[key]
            assert value == (expected[key] if expected[key] is None else pytest.approx(expected[key], rel=1e-15))


@half_as_many
@given(row_lists, st.randoms(use_true_random=False))
def test_order_of_clips_does_not_matter(rows: list[tuple[Any, ...]], random: Any) -> None:
    table = frame(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = split_clips(table.iloc[order]).sort_values("clip_id", ignore_index=True)
    pd.testing.assert_frame_equal(shuffled, split_clips(table).sort_values("clip_id", ignore_index=True))


@half_as_many
@given(row_lists)
def test_val_is_the_top_of_each_class(rows: list[tuple[Any, ...]]) -> None:
    split = split_clips(frame(rows)).dropna(subset=["class_size"])
    for _, group in split.groupby(["generator", "label"]):
        assert (group["split"] == "val").sum() == math.floor(len(group) / 5 + 0.5)
        if group["label"].iloc[0] != 3 and (group["split"] == "val").any():
            lowest = group.loc[group["split"] == "val", "class_rank"].max()
            assert (group.loc[group["split"] == "train", "class_rank"] > lowest).all()


@half_as_many
@given(row_lists)
def test_confidence_is_in_its_range(rows: list[tuple[Any, ...]]) -> None:
    split = split_clips(frame(rows)).dropna(subset=["class_size"])
    generated = split[split["label"] != 3]
    assert ((generated["r_hat"] > 0) & (generated["r_hat"] <= 1)).all()
    assert (split.loc[split["label"] == 3, "r_hat"] == 0).all()
    np.testing.assert_allclose(
        split["confidence_weight"].astype(float), np.log(np.e + split["r_hat"].astype(float)), rtol=1e-15
    )


@pytest.mark.parametrize(("n", "val"), [(0, 0), (1, 0), (2, 0), (3, 1), (7, 1), (8, 2), (12, 2), (13, 3), (720, 144)])
def test_val_is_a_fifth_of_a_class_rounded(n: int, val: int) -> None:
    assert val_size(np.array([n])) == val


def test_confidence_weights_of_known_ranks() -> None:
    """Eq. 7: near rank 0 the weight is near 1, at the last rank it is log(e + 1)."""
    assert confidence_weight(np.array([0.0, 0.5, 1.0])) == pytest.approx([1.0, 1.1688, 1.3133], abs=1e-4)


def test_five_clips_are_split_as_the_paper_says() -> None:
    """§3.2.3: five motion anomalies are ranked again by their motion score, and the top 20 % is one clip."""
    split = split_clips(frame([("kling", 0.0, 0.0, score, 2) for score in (0.1, 0.5, 0.3, 0.9, 0.2)]))
    assert split["class_rank"].tolist() == [5, 2, 3, 1, 4]
    assert split["r_hat"].tolist() == [1.0, 0.4, 0.6, 0.2, 0.8]
    assert split["split"].tolist() == ["train", "train", "train", "val", "train"]
    assert set(split["policy"]) == {"top20"}
    assert set(split["protocol"]) == {"pooled"}
    assert set(split["fingerprint"]) == {"f"}


@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_a_clip_without_the_score_of_its_label_has_no_rank_and_is_not_counted(missing: float) -> None:
    """A reviewer may give a label whose metric has no score; scores of other metrics do not replace it."""
    scored = [("kling", 0.0, 0.0, score, 2) for score in (0.1, 0.5, 0.3)]
    alone = split_clips(frame(scored))
    split = split_clips(frame([*scored, ("kling", 9.0, 0.0, missing, 2), ("pika", 0.0, 0.0, missing, 2)]))
    pd.testing.assert_frame_equal(split.head(3), alone)
    for row in split.tail(2).to_dict("records"):
        assert all(pd.isna(value) for key, value in row.items() if key not in ("clip_id", "generator"))


def test_real_clips_are_split_by_content_not_by_order_or_score() -> None:
    rows = [("k400", float(i), 0.0, 0.0, 3) for i in range(50)]
    split = split_clips(frame(rows))
    other_scores = split_clips(frame([("k400", -float(i), 1.0, 2.0, 3) for i in range(50)]))
    assert (split["split"] == "val").sum() == 10
    assert split["split"].equals(other_scores["split"])
    assert split["class_rank"].isna().all()
    assert split["class_size"].eq(50).all()
