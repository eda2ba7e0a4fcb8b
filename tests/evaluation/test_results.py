"""Tables and page of several detectors."""

from dataclasses import replace

import numpy as np
import pytest

from hfv_builder.evaluation import tables
from hfv_builder.evaluation.page import page
from hfv_builder.evaluation.results import MEAN, differences_table, evaluate, figures_table
from hfv_builder.evaluation.scores import FIGURES
from tests.evaluation.sample import SETS, contender, truth

VARIANTS = ("", "blur3")


def test_figures_of_a_perfect_and_a_two_class_detector() -> None:
    clips = truth()
    results = evaluate(
        [contender("right", clips, skill=1), contender("two", clips, skill=1, is_binary=True)], clips, draws=50
    )
    right, two = results.scores["right", "kling", ""], results.scores["two", "kling", ""]
    assert set(right.values.values()) == {1.0}
    assert right.interval("accuracy") == (1.0, 1.0)
    assert right.confusion is not None
    assert right.confusion.tolist() == (2 * np.eye(4)).tolist()
    assert (two.values["binary_auc"], two.confusion) == (1.0, None)
    assert np.isnan(two.values["accuracy"])
    assert any("two: only p(real) is known" in note for note in tables.notes(results))
    row = next(row for row in tables.summary_rows(results) if row["run"] == "two")
    assert (row["ACC"], row["AUC real/fake"]) == (tables.NONE, "100.0 (100.0–100.0)")


def test_missing_predictions_are_counted_and_named() -> None:
    clips = truth()
    detector = contender("some", clips, skill=0.5)
    detector.predictions.loc[[0, 5], "p_real"] = np.nan
    scores = evaluate([detector], clips, draws=10).scores["some", "kling", ""]
    assert (scores.clips, scores.missing) == (6, ("kling-0", "kling-5"))
    detector.predictions["p_real"] = np.nan
    without_predictions = evaluate([detector], clips, draws=10)
    assert without_predictions.scores["some", "kling", ""].clips == 0
    assert np.isnan(without_predictions.mean("some", "", "binary_auc")).all()


def test_sets_without_a_class_are_left_out_of_the_mean_and_named() -> None:
    clips = truth()
    clips = clips[~(clips["set"].eq("pika") & clips["label"].eq(1))].reset_index(drop=True)
    results = evaluate([contender("a", clips, skill=0.6)], clips, draws=20)
    assert results.undefined("auc", "a") == ["pika"]
    assert results.mean("a", "", "auc")[0] == results.scores["a", "kling", ""].values["auc"]
    assert any(note.startswith("AUC is not defined in pika") for note in tables.notes(results))


def test_the_long_table_has_every_figure_once() -> None:
    clips = truth(VARIANTS)
    results = evaluate([contender("a", clips, skill=0.5), contender("b", clips, skill=0.2)], clips, draws=20)
    table = figures_table(results)
    assert not table.duplicated(["run", "set", "variant", "figure"]).any()
    assert len(table) == 2 * len(VARIANTS) * (len(SETS) * (len(FIGURES) + 1) + len(FIGURES))
    accuracies = table[table["run"].eq("a") & table["variant"].eq("") & table["figure"].eq("accuracy")].set_index(
        "set"
    )["value"]
    assert accuracies[MEAN] == pytest.approx(accuracies[list(SETS)].mean())


def test_equal_inputs_give_equal_tables_in_any_order() -> None:
    clips = truth(VARIANTS)
    detector = contender("a", clips, skill=0.3)
    shuffled = clips.sample(frac=1, random_state=1)
    first, second = (figures_table(evaluate([detector], rows, draws=30)) for rows in (clips, shuffled))
    assert first.equals(second)


def test_a_difference_between_detectors_is_significant() -> None:
    clips = truth(clips=40)
    good, bad = contender("good", clips, skill=0.9), contender("bad", clips, skill=0.0, seed=1)
    results = evaluate([good, bad], clips, draws=200)
    row = differences_table(results, clips).iloc[0]
    assert (row["first"], row["second"]) == ("good", "bad")
    assert row["value"] > 0
    assert row["low"] > 0
    assert row["p"] < 0.05


def test_detectors_are_compared_on_the_clips_that_both_have_predicted() -> None:
    clips = truth(clips=40)
    first = contender("a", clips, skill=0.3)
    is_easy = clips["set"].eq("pika") & clips["label"].ne(3)
    first.predictions.loc[is_easy, "p_real"] = 0.0
    second = replace(first, name="b", predictions=first.predictions.copy())
    second.predictions.loc[is_easy, "p_real"] = np.nan
    row = differences_table(evaluate([first, second], clips, draws=50), clips).iloc[0]
    assert (row["value"], row["low"], row["high"], row["p"]) == (0, 0, 0, 1)


def test_missing_predictions_of_a_variant_are_named_apart() -> None:
    clips = truth(VARIANTS)
    detector = contender("a", clips, skill=0.5)
    detector.predictions.loc[clips["variant"].eq("blur3"), "p_real"] = np.nan
    notes = tables.notes(evaluate([detector], clips, draws=10))
    assert notes == [
        "intervals in kling, pika are too narrow: a label has fewer than 20 clips there",
        "a has no prediction for 14 clips of blur3, which its figures do not count",
    ]


def test_sets_without_a_variant_are_named() -> None:
    clips = truth(VARIANTS, clips=80)
    clips = clips[clips["set"].eq("kling") | clips["variant"].eq("")].reset_index(drop=True)
    notes = tables.notes(evaluate([contender("a", clips, skill=1)], clips, draws=10))
    assert notes == [f"pika has no {name}; compare means of variants with care" for name in VARIANTS if name]


def test_markdown_and_latex_escape_names() -> None:
    rows = [{"run": "a_b & c", "ACC": "91.0 (90.0–92.0)"}]
    assert "| a_b & c | 91.0 (90.0–92.0) |" in tables.markdown(rows).replace("  ", " ")
    text = tables.latex(rows, "Means.")
    assert r"a\_b \& c" in text
    assert "90.0--92.0" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2
    assert tables.latex([], "Means.") == tables.markdown([]) == ""


def test_the_page_is_complete_and_loads_nothing() -> None:
    clips = truth(VARIANTS)
    contenders = [contender("chance", clips, skill=0, is_floor=True), contender("<svm> $x_{$ 中", clips, skill=0.6)]
    results = evaluate([*contenders, contender("two", clips, skill=0.4, is_binary=True)], clips, draws=20)
    looks_at = {detector.name: "frames" for detector in results.contenders}
    text, second_text = (
        page(results, differences_table(results, clips), release="r-1.0.0", looks_at=looks_at, remarks=["take care"])
        for _ in range(2)
    )
    assert text == second_text
    assert "&lt;svm&gt; $x_{$ 中" in text
    assert "<svm>" not in text
    assert "take care." in text
    assert "<b>14</b>clips in them" in text  # two of 16 are shared
    for heading in ("Summary", "By evaluation set", "ROC curves", "Confusion", "Robustness", "Across generators"):
        assert f"<h2>{heading}</h2>" in text
    assert text.count("<svg xmlns") == 5
    assert "src=" not in text
    assert "<link" not in text
