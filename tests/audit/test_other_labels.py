"""Labels of other programs: HumanSAM's ids are mapped, and clips match by stem, id or name in a release."""

import pytest

from hfv_builder.audit.agreement import agreement
from hfv_builder.audit.other_labels import matched, read_labels
from hfv_builder.audit.topics import evenness, load_topics, named
from hfv_builder.records import UsageError
from tests.audit.planted import clean


def test_ids_of_humansam_are_mapped_to_labels() -> None:
    assert read_labels("a.mp4,0,0.3\nsub/b.mp4,1,0.5\nc.mp4,2,1\nd.mp4,3,0.0\n", "t") == {
        "a": 1,
        "b": 0,
        "c": 2,
        "d": 3,
    }
    assert read_labels("\ufefffile,label\na.mp4,0\nb.mp4,motion\n", "t") == {"a": 0, "b": 2}
    assert read_labels("clip_id,generator,auto_label\n0f,kling,1\n", "t") == {"0f": 1}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("who,what\n1,2\n", "has no column for the file"),
        ("file,label\na.mp4,9\n", "line 2: '9' is no label"),
        ("file,label\na.mp4\n", "line 2: it has 1 columns"),
        ("file,label\n\n\na.mp4,9\n", "line 4: '9' is no label"),
        (f"file,label\na.mp4,{'1' * 5000}\n", "line 2: '1+' is no label"),
        (f"file,label,prompt\na.mp4,1,{'x' * 200_000}\n", "line 2: field larger than field limit"),
    ],
)
def test_other_files_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_labels(text, "theirs.csv")


def test_names_match_by_stem_by_id_and_by_the_name_in_a_release() -> None:
    clips = [("1" * 16, "/a/x.mp4"), ("2" * 16, "/b/y.mp4"), ("3" * 16, "/c/z.mp4"), ("4" * 16, "/d/x.mp4")]
    labels = {"y": 0, "3" * 16: 1, f"kling_{'1' * 16}": 2, "x": 1}
    assert matched(labels, clips) == {"2" * 16: 0, "3" * 16: 1, "1" * 16: 2}  # two clips are named x


def test_files_of_one_stem_with_different_labels_match_nothing() -> None:
    labels = read_labels("kling/1.mp4,1\npika/1.mp4,2\nkling/2.mp4,1\npika/2.mp4,1\n", "t")
    assert matched(labels, [("a" * 16, "/kling/1.mp4"), ("b" * 16, "/kling/2.mp4")]) == {"b" * 16: 0}


def test_only_the_suffix_of_a_kind_of_files_is_no_part_of_a_name() -> None:
    labels = read_labels("file,label\na_0.5,spatial\na_0.7.MP4,motion\n", "t")
    clips = [("a" * 16, "/c/a_0.mp4"), ("b" * 16, "/c/a_0.5.mp4"), ("c" * 16, "/c/a_0.7.mp4")]
    assert matched(labels, clips) == {"b" * 16: 0, "c" * 16: 2}


def test_names_match_in_any_unicode_form() -> None:
    labels = read_labels("file,label\ncafe\u0301.mp4,spatial\né,motion\n", "t")
    assert matched(labels, [("a" * 16, "/c/café.mp4"), ("b" * 16, "/c/e\u0301.mp4")]) == {"a" * 16: 0, "b" * 16: 2}


def test_lines_may_end_as_on_any_system() -> None:
    for end in ("\n", "\r\n", "\r"):
        assert read_labels(end.join(["file,label", "a,spatial", "b,motion"]), "t") == {"a": 0, "b": 2}


def test_agreement_is_reported_per_generator_with_the_differing_clips() -> None:
    clips = clean()
    generated = clips[~clips["is_real"]]
    other_labels = dict(zip(generated["clip_id"], generated["auto_label"].astype(int), strict=True))
    changed = generated.loc[generated["generator"].eq("pika"), "clip_id"].tolist()[:60]
    other_labels |= {clip: (other_labels[clip] + 1) % 3 for clip in changed}
    report = agreement(clips, other_labels, "theirs.csv")
    findings = {
        finding.subject: finding for finding in report.findings if finding.finding == "agreement with the other labels"
    }
    assert {name: finding.estimate and finding.estimate.value for name, finding in findings.items()} == {
        "kling": 1,
        "pika": 0.5,
        "sora": 1,
    }
    assert {*findings["pika"].clips} == {*changed}
    assert report.data["confusions"]["pika"].sum() == 120
    none = agreement(clips, {"unknown": 1}, "theirs.csv").findings
    assert [finding.says for finding in none if finding.estimate is None and "theirs.csv" in finding.says]


def test_topics_match_whole_and_inflected_words() -> None:
    import pandas as pd

    prompts = pd.Series(
        ["A man RUNS fast", "a brunch", "she is jogging", "dancing couples", "two dancers", "he carried it", None]
    )
    words = {"run": ["run", "jog"], "dance": ["dance", "dancer"], "carry": ["carry"], "room": ["living room"]}
    matches = named(prompts, words)
    assert matches["run"].tolist() == [True, False, True, False, False, False, False]
    assert matches["dance"].tolist() == [False, False, False, True, True, False, False]
    assert matches["carry"].tolist() == [False] * 5 + [True, False]
    topics = load_topics()
    assert {name: len(words) for name, words in topics.items()} == {"activities": 80, "backgrounds": 20}
    assert load_topics('[activities]\na = ["b"]\n[backgrounds]\nc = ["d"]')["activities"] == {"a": ["b"]}
    others = (f'[activities]\na = {words}\n[backgrounds]\nc = ["d"]' for words in ("[]", '[""]', '["b", " "]'))
    for text in ("nonsense", "[activities]\na = 1", '[activities]\na = ["b"]', *others):
        with pytest.raises(UsageError, match=r"mine\.toml"):
            load_topics(text, "mine.toml")


def test_evenness_is_one_for_equal_counts_and_zero_for_one_value() -> None:
    import numpy as np

    assert evenness(np.array([5, 5, 5, 5])) == pytest.approx(1)
    assert str(evenness(np.array([20, 0, 0, 0]))) == "0.0"  # not -0.0, which is printed
    assert evenness(np.array([0, 0])) == 0
