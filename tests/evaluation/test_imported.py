"""Predictions of other programs are matched with clips, and every other row is named."""

from typing import Any

import pandas as pd
import pytest

from hfv_builder.evaluation.imported import match
from hfv_builder.records import UsageError
from tests.evaluation.sample import truth

CLIPS = truth(sets=("kling",))
FOUR = {"p_spatial": 0.1, "p_appearance": 0.2, "p_motion": 0.3, "p_real": 0.4}


def predictions(**columns: Any) -> pd.DataFrame:
    """Return a row per clip_id with the same probabilities."""
    return pd.DataFrame({"clip_id": CLIPS["clip_id"], **FOUR}).assign(**columns)


def test_four_or_two_probabilities_are_accepted() -> None:
    four = match(predictions(), CLIPS)
    assert (four.has_four, four.problems) == (True, ())
    assert four.predictions["p_real"].eq(0.4).all()
    for columns in ({"p_real": 0.4}, {"p_real": 0.4, "p_fake": 0.6}):
        two = match(pd.DataFrame({"clip_id": CLIPS["clip_id"], **columns}), CLIPS)
        assert (two.has_four, two.problems) == (False, ())
        assert two.predictions["p_spatial"].isna().all()


@pytest.mark.parametrize("column", ["path", "name", "stem"])
def test_clips_match_by_path_name_or_stem(column: str) -> None:
    names = CLIPS["path"]
    names = names if column == "path" else names.str.rpartition("/")[2]
    names = names.str.removesuffix(".mp4") if column == "stem" else names
    assert match(predictions(file=names).drop(columns="clip_id"), CLIPS).problems == ()


def test_variants_match_by_path_or_column() -> None:
    clips = truth(("", "blur3"), sets=("kling",))
    table = pd.DataFrame({"file": clips["path"], "p_real": clips["variant"].eq("").astype(float)})
    by_path = match(table, clips)
    names = table["file"].str.rpartition("/")[2]
    by_column = match(table.assign(file=names, variant=clips["variant"]), clips)
    originals = table["file"].str.replace("@blur3", "")
    by_both = match(table.assign(file=originals, variant=clips["variant"]), clips)
    for matched in (by_path, by_column, by_both):
        assert matched.problems == ()
        assert matched.predictions.groupby("variant")["p_real"].mean().to_dict() == {"": 1.0, "blur3": 0.0}


def test_a_path_and_a_column_of_two_variants_contradict_each_other() -> None:
    clips = truth(("", "blur3", "jpeg50"), sets=("kling",))
    table = pd.DataFrame({"file": ["eval/kling@blur3/kling-0.mp4"], "variant": "jpeg50", "p_real": 0.5})
    matched = match(table, clips)
    assert ("eval/kling@blur3/kling-0.mp4", "not in the evaluation sets") in matched.problems
    assert matched.predictions["p_real"].isna().all()


def test_paths_below_other_folders_name_the_clip_and_its_variant() -> None:
    clips = truth(("", "blur3"), sets=("kling",))
    blurred = clips[clips["variant"].eq("blur3")]
    original = pd.DataFrame({"file": ["/home/me@blur3/r/eval/kling/kling-0.mp4"], "p_real": 0.5})
    assert match(original, clips).predictions.dropna(subset="p_real")["variant"].tolist() == [""]
    for start in ("/data/r-1.0.0/", "C:\\r\\", "mine/"):
        names = start + blurred["path"].str.removeprefix("eval/" if start == "mine/" else "")
        predictions = match(pd.DataFrame({"file": names, "p_real": 0.5}), clips).predictions
        assert predictions["p_real"].notna().tolist() == predictions["variant"].eq("blur3").tolist()


def test_a_name_of_several_clips_is_not_guessed() -> None:
    clips = truth()
    clips["path"] = "eval/" + clips["set"] + "/" + (clips.index % 8).astype(str) + ".mp4"
    table = pd.DataFrame({"file": ["0.mp4", "eval/pika/1.mp4", "eval/pika/3.mp4"], "p_real": 0.5})
    matched = match(table, clips)
    assert ("0.mp4", "the name of several clips: give the path") in matched.problems
    predicted = matched.predictions.dropna(subset="p_real")
    assert predicted[["clip_id", "set"]].to_numpy().tolist() == [
        ["real-3", "kling"],
        ["pika-1", "pika"],
        ["real-3", "pika"],
    ]


def test_a_valid_row_beside_an_invalid_one_is_not_preferred() -> None:
    table = pd.concat([predictions(), predictions(p_real=7).iloc[[0]]])
    matched = match(table, CLIPS)
    assert (CLIPS["path"][0], "two rows that differ") in matched.problems
    assert matched.predictions["p_real"].isna().tolist() == [True] + [False] * 7


def test_every_clip_and_row_without_a_match_is_named() -> None:
    table = predictions()
    table.loc[0, "p_real"] = 0.9
    table.loc[1, "p_real"] = None
    table.loc[2, ["p_real", "p_motion"]] = [-0.4, 1.1]
    table = pd.concat([table, table.loc[[4]], table.loc[[5]].assign(p_real=0.3, p_motion=0.4)])
    table = pd.concat([table[table["clip_id"] != "kling-6"], table.loc[[6]].assign(clip_id="another")])
    matched = match(table, CLIPS)
    path = dict(zip(CLIPS["clip_id"], CLIPS["path"], strict=True))
    assert set(matched.problems) == {
        ("kling-0", "its probabilities do not sum to 1"),
        ("kling-1", "a probability is missing or not a number"),
        ("kling-2", "a probability is outside of 0 to 1"),
        ("another", "not in the evaluation sets"),
        (path["kling-4"], "more than one row, all equal"),
        (path["kling-5"], "two rows that differ"),
        *((path[f"kling-{index}"], "no prediction") for index in (0, 1, 2, 5, 6)),
    }
    predicted = matched.predictions.dropna()["clip_id"]
    assert set(predicted) == {"kling-4", "real-3", "real-7"}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (predictions().drop(columns="clip_id"), "neither a column file nor clip_id"),
        (
            predictions().drop(columns="p_motion"),
            "give p_spatial, p_appearance, p_motion, p_real, or p_fake and p_real",
        ),
        (predictions().drop(columns="p_real"), "the predictions have the columns"),
    ],
)
def test_missing_columns_are_refused(table: pd.DataFrame, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        match(table, CLIPS)


def test_two_probabilities_must_sum_to_one() -> None:
    table = pd.DataFrame({"clip_id": CLIPS["clip_id"], "p_real": 0.4, "p_fake": 0.5})
    assert {problem for _, problem in match(table, CLIPS).problems} == {
        "p_real is no probability, or not 1 − p_fake",
        "no prediction",
    }
