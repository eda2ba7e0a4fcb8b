"""Ranks and labels: the paper's example, properties they must have, and equality with a plain loop."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfv_builder.labelling.labels import label_clips, label_real
from hfv_builder.labelling.redrawn import Ranking
from hfv_builder.records import METRICS
from tests.oracle import label_rows

NAMES = [metric.value for metric in METRICS]
RANKS = [f"rank_{name}" for name in NAMES]

# Few distinct values, so that ties are common; None is a clip without a score.
scores = st.one_of(st.none(), st.integers(0, 5).map(float), st.floats(-1e6, 1e6))
rows_of_tables = st.tuples(st.sampled_from(["kling", "pika"]), scores, scores, scores)
tables = st.lists(rows_of_tables, max_size=8) | st.lists(rows_of_tables, min_size=9, max_size=24)
half_as_many = settings(max_examples=25)
"""For lists half of which are longer than the five elements that lists without a smallest size have on average."""


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    generators, *scores = zip(*rows, strict=True) if rows else [()] * 4
    columns = {
        "clip_id": pd.array([f"{i:016x}" for i in range(len(rows))], "str"),
        "generator": pd.array(generators, "str"),
        **{name: np.array(values, np.float64) for name, values in zip(NAMES, scores, strict=True)},
    }
    return pd.DataFrame(columns)


def as_dicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if value is pd.NA or value != value else value for key, value in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


@half_as_many
@given(tables)
def test_labels_equal_those_of_a_plain_loop(rows: list[tuple[Any, ...]]) -> None:
    table = frame(rows)
    assert as_dicts(label_clips(table)) == label_rows(as_dicts(table))


@given(
    st.lists(
        st.tuples(*[st.floats(-1e3, 1e3)] * 3),
        min_size=1,
        max_size=20,
        unique_by=(lambda row: row[0], lambda row: row[1], lambda row: row[2]),
    )
)
def test_ranks_are_a_permutation_when_scores_differ(rows: list[tuple[float, float, float]]) -> None:
    labelled = label_clips(frame([("kling", *row) for row in rows]))
    for column in RANKS:
        assert sorted(labelled[column]) == list(range(1, len(rows) + 1))


@half_as_many
@given(tables, st.randoms(use_true_random=False))
def test_order_of_clips_does_not_matter(rows: list[tuple[Any, ...]], random: Any) -> None:
    table = frame(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = label_clips(table.iloc[order]).sort_values("clip_id", ignore_index=True)
    pd.testing.assert_frame_equal(shuffled, label_clips(table).sort_values("clip_id", ignore_index=True))


@half_as_many
@given(
    st.lists(st.tuples(*[st.integers(-30, 30).map(float)] * 3), min_size=5, max_size=20),
    st.sampled_from(NAMES),
    st.sampled_from([np.exp, np.cbrt, np.arctan, lambda x: 3 * x - 7]),
)
def test_a_strictly_increasing_transform_of_one_metric_changes_no_untied_label(
    rows: list[tuple[float, ...]], name: str, transform: Any
) -> None:
    table = frame([("kling", *row) for row in rows])
    before, after = label_clips(table), label_clips(table.assign(**{name: transform(table[name] / 10)}))
    untied = ~before["tied"].astype(bool)
    pd.testing.assert_frame_equal(before[[*RANKS, "margin", "tied"]], after[[*RANKS, "margin", "tied"]])
    assert before["auto_label"][untied].equals(after["auto_label"][untied])


def test_the_example_of_the_paper_has_its_labels() -> None:
    """§3.2.2: a video whose smallest rank is that of appearance is an appearance anomaly."""
    labelled = label_clips(
        frame(
            [
                ("kling", 0.30, 0.90, 0.10),  # ranks 2, 1, 3: appearance
                ("kling", 0.40, 0.20, 0.20),  # ranks 1, 3, 2: spatial
                ("kling", 0.10, 0.50, 0.90),  # ranks 3, 2, 1: motion
            ]
        )
    )
    assert labelled[RANKS].to_numpy().tolist() == [[2, 1, 3], [1, 3, 2], [3, 2, 1]]
    assert labelled["auto_label"].tolist() == [1, 0, 2]
    assert labelled["margin"].tolist() == [1, 1, 1]
    assert not labelled["tied"].any()


def test_ties_are_resolved_by_the_score_that_stands_out_most() -> None:
    labelled = label_clips(
        frame([("kling", 9.0, 2.1, 0.0), ("kling", 1.0, 2.0, 2.0), ("kling", 2.0, 1.9, 1.0), ("kling", 3.0, 1.8, 3.0)])
    )
    first = labelled.iloc[0]  # rank 1 on spatial, far out, and on appearance, barely
    assert first["tied"]
    assert first["auto_label"] == 0
    assert first["margin"] == 0


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_scores_of_all_clips_give_the_first_label(count: int) -> None:
    labelled = label_clips(frame([("kling", 1.0, 2.0, 3.0)] * count))
    assert labelled["auto_label"].tolist() == [0] * count
    assert labelled["tied"].all()
    assert labelled[RANKS].to_numpy().tolist() == [[1, 1, 1]] * count


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_clip_without_all_scores_is_not_ranked_and_changes_no_rank(missing: float) -> None:
    rows = [("kling", 1.0, 3.0, 2.0), ("kling", 2.0, 1.0, 1.0)]
    alone, beside = label_clips(frame(rows)), label_clips(frame([*rows, ("kling", 9.0, missing, 9.0)]))
    pd.testing.assert_frame_equal(alone, beside.iloc[:2])
    assert beside.iloc[2][[*RANKS, "auto_label", "margin", "tied"]].isna().all()


def test_tables_without_clips_or_scores_have_no_labels() -> None:
    assert len(label_clips(frame([]))) == 0
    labelled = label_clips(frame([("kling", None, None, None)] * 3))
    assert labelled["auto_label"].isna().all()
    assert (labelled["group_size"] == 0).all()


def test_real_clips_are_never_ranked() -> None:
    labelled = label_real(frame([("k400", 1.0, 2.0, 3.0), ("k400", None, None, None)]))
    assert labelled["auto_label"].tolist() == [3, 3]
    assert labelled[[*RANKS, "margin", "tied", "group_size"]].isna().all(axis=None)


def test_a_draw_gives_the_labels_of_its_clips() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (20, 3)).astype(np.float64)
    for drawn in (np.bincount(rng.integers(20, size=20), minlength=20) for _ in range(10)):
        table = pd.DataFrame(np.repeat(scores, drawn, axis=0), columns=NAMES)
        labels = label_clips(table.assign(clip_id=[f"{place:02}" for place in range(20)], generator="kling"))
        assert [*np.repeat(Ranking(scores).labels(drawn), drawn)] == labels["auto_label"].tolist()
