"""What clips show by CLIP: the text that is nearest, and what is said where something is missing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hfv_builder.audit.diversity import diversity
from hfv_builder.audit.finding import Severity
from hfv_builder.audit.shown_topics import LEAST, nearest_topics, texts_of
from hfv_builder.audit.topics import Topics, load_topics
from hfv_builder.backends.weights import WeightsDir
from pipelines.audit.topics import topics_of_clips
from tests.audit.planted import clean
from tests.detectors.weights import tiny_clip

FEW: Topics = {
    "activities": {"walking": ["walk"], "diving": ["dive"]},
    "backgrounds": {"sea": ["sea"], "park": ["park"], "desert": ["desert"]},
}


def test_the_nearest_text_names_the_topic() -> None:
    texts = {topic: np.eye(4, dtype=np.float32)[: len(FEW[topic])] for topic in FEW}
    vectors = np.array([[0.1, 0.9, 0, 0], [0.2, 0.1, 0.9, 0], [np.nan] * 4], np.float32)
    found = nearest_topics(vectors, texts, FEW)
    assert found["activities"].tolist()[:2] == ["diving", "walking"]
    assert found["backgrounds"].tolist()[:2] == ["park", "desert"]
    assert found.iloc[2].isna().all()


def test_every_name_has_a_sentence() -> None:
    topics = load_topics()
    texts = texts_of(topics)
    assert {topic: len(own) for topic, own in texts.items()} == {"activities": 80, "backgrounds": 20}
    assert all(name in text for topic in texts for name, text in zip(topics[topic], texts[topic], strict=True))


def test_the_text_tower_names_a_topic_for_every_embedding(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    vectors[3] = np.nan
    store = tiny_clip(tmp_path)
    found = topics_of_clips(vectors, FEW, store)
    assert not isinstance(found, str)
    assert found["activities"].notna().tolist() == [True, True, True, False, True]
    again = topics_of_clips(vectors, FEW, store)
    assert not isinstance(again, str)
    pd.testing.assert_frame_equal(again, found)


def test_what_is_missing_is_one_sentence(tmp_path: Path) -> None:
    assert topics_of_clips(None, FEW) == (
        "no clip has an embedding of CLIP: run `hfv score --generator G --profile paper`"
    )
    said = topics_of_clips(np.zeros((1, 32), np.float32), FEW, WeightsDir(root=tmp_path))
    assert said == f"the text tower of CLIP is not in {tmp_path}: run `hfv weights pull`"
    findings = diversity(clean(), load_topics(), said).findings
    assert [each.says for each in findings if "CLIP" in each.finding] == [f"not computed: {said}"]


@pytest.mark.parametrize(("one", "severity"), [(False, Severity.OK), (True, Severity.ERROR)])
def test_clips_that_all_show_one_thing_are_found(one: bool, severity: Severity) -> None:
    clips, topics = clean(), load_topics()
    names = {topic: [*topics[topic]] for topic in topics}
    shown = nearest_topics(
        np.zeros((len(clips), 1), np.float32), {name: np.zeros((1, 1), np.float32) for name in names}, topics
    )
    if not one:
        for topic, own in names.items():
            shown[topic] = [own[number % len(own)] for number in range(len(clips))]
    report = diversity(clips, topics, shown)
    found = [each for each in report.findings if "CLIP" in each.finding]
    assert {each.severity for each in found} == {severity}
    assert [each.finding for each in found] == ["evenness of activities by CLIP", "evenness of backgrounds by CLIP"]
    assert all("it agrees with" in each.says for each in found)
    assert int(report.data["counts"]["activities by CLIP"].sum()) == int((~clips["is_real"]).sum())
    few = diversity(clips.head(LEAST - 1), topics, shown.head(LEAST - 1))
    assert "it needs 20" in " ".join(each.says for each in few.findings if "CLIP" in each.finding)
