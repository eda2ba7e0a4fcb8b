"""Formats of clips, and how strongly labels depend on them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.clips.formats import CHANCE, COLUMNS, STRONG, effect_on_labels, name_formats
from hfv_builder.labelling.labels import label_clips


def format_names(*clips: tuple[float | None, ...]) -> list[str]:
    formats: list[str] = name_formats(pd.DataFrame(clips, columns=list(COLUMNS))).tolist()
    return formats


def test_size_rate_and_length_make_a_format() -> None:
    assert format_names((640, 480, 24.0, 48), (640, 480, 24.0, 49), (640, 480, 24.0, 96), (320, 480, 24.0, 48)) == [
        "640x480 24 fps 48-49 frames",
        "640x480 24 fps 48-49 frames",
        "640x480 24 fps 96 frames",
        "320x480 24 fps 48 frames",
    ]
    assert len(set(format_names((640, 480, 23.976, 48), (640, 480, 24.0, 48), (640, 480, 25.0, 48)))) == 2
    assert format_names((640, 480, 8.333, 20)) == ["640x480 8.33 fps 20 frames"]


def test_unknown_values_are_question_marks() -> None:
    assert format_names((640, 480, None, 48), (640, 480, 24.0, None), (None, None, None, None)) == [
        "640x480 ? fps 48 frames",
        "640x480 24 fps ? frames",
        "?x? ? fps ? frames",
    ]


def test_varying_lengths_give_few_formats() -> None:
    assert len(set(format_names(*((640, 480, 24.0, n) for n in range(40, 51))))) == 1
    assert len(set(format_names(*((640, 480, 24.0, n) for n in range(30, 301))))) < 15


CLIPS = st.lists(
    st.tuples(
        st.sampled_from([64, 128]),
        st.sampled_from([64, None]),
        st.sampled_from([8.0, 23.976, 24.0, 30.0, None]),
        st.sampled_from([16, 17, 48, 200, None]),
    ),
    min_size=1,
    max_size=30,
)


@given(CLIPS, st.randoms(use_true_random=False))
def test_names_depend_on_the_clips_and_not_on_their_order(
    clips: list[tuple[float | None, ...]], shuffle: object
) -> None:
    order = list(range(len(clips)))
    shuffle.shuffle(order)  # type: ignore[attr-defined]
    named = format_names(*clips)
    assert format_names(*(clips[position] for position in order)) == [named[position] for position in order]
    for clip, name in zip(clips, named, strict=True):
        for other, other_name in zip(clips, named, strict=True):
            if name == other_name:
                assert clip[:2] == other[:2]


def test_the_effect_of_the_format_on_labels() -> None:
    assert effect_on_labels(np.array([[20, 20, 20]])) == (0.0, 1.0)
    assert effect_on_labels(np.array([[20, 0, 0], [30, 0, 0]])) == (0.0, 1.0)
    v, chance = effect_on_labels(np.array([[5, 15, 0], [6, 1, 8]]))  # of a public set
    assert v > 0.6
    assert chance < CHANCE
    v, chance = effect_on_labels(np.array([[100, 100, 100], [100, 100, 100]]))
    assert (v, chance > 0.9) == (0.0, True)
    assert effect_on_labels(np.array([[0, 50, 0], [50, 0, 0]]))[0] == pytest.approx(1.0, abs=0.02)


def test_chance_is_that_of_the_chi_square_distribution() -> None:
    """By published tables, chi-square of 2 degrees of freedom exceeds 5.991 in 5 % and 13.816 in 0.1 % of cases."""
    for target, share in ((5.991, 0.05), (13.816, 0.001)):
        n = 1_000_000
        shift = round(np.sqrt(target * n / 4))  # in four cells that expect n each
        counts = np.array([[n + shift, n - shift, n], [n - shift, n + shift, n]])
        assert effect_on_labels(counts)[1] == pytest.approx(share, rel=0.2)


def test_equal_distributions_are_rarely_reported() -> None:
    rng = np.random.default_rng(0)
    reported = 0
    for _ in range(2000):
        v, chance = effect_on_labels(rng.multinomial(30, [0.5, 0.3, 0.2], 4))
        reported += v >= STRONG and chance < CHANCE
    assert reported <= 40


def test_every_format_is_ranked_by_itself() -> None:
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(rng.random((40, 3)), columns=["spatial", "appearance", "motion"])
    scores.insert(0, "generator", "kling")
    scores.insert(0, "clip_id", [f"{n:02d}" for n in range(40)])
    groups = pd.Series(["a", "b"] * 20)
    scores.loc[groups == "b", "spatial"] *= 100
    labels = label_clips(scores, groups=groups)
    assert set(labels["generator"]) == {"kling"}
    for name in ("a", "b"):
        in_group = (groups == name).to_numpy()
        alone = label_clips(scores[in_group].reset_index(drop=True))
        pd.testing.assert_frame_equal(labels[in_group].reset_index(drop=True), alone)
    assert set(labels["group_size"]) == {20}
