"""Topics of clips by CLIP: the nearest text, and sentences for missing embeddings or weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hfv_builder.audit import pictures
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
    topics = nearest_topics(vectors, texts, FEW)
    assert topics["activities"].tolist()[:2] == ["diving", "walking"]
    assert topics["backgrounds"].tolist()[:2] == ["park", "desert"]
    assert topics.iloc[2].isna().all()


def test_every_topic_has_a_text() -> None:
    topics = load_topics()
    texts = texts_of(topics)
    assert {topic: len(texts_of_topic) for topic, texts_of_topic in texts.items()} == {
        "activities": 80,
        "backgrounds": 20,
    }
    assert all(name in text for topic in texts for name, text in zip(topics[topic], texts[topic], strict=True))


def test_the_text_tower_names_a_topic_for_every_embedding(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    vectors[3] = np.nan
    store = tiny_clip(tmp_path)
    topics = topics_of_clips(vectors, FEW, store)
    assert not isinstance(topics, str)
    assert topics["activities"].notna().tolist() == [True, True, True, False, True]
    repeated = topics_of_clips(vectors, FEW, store)
    assert not isinstance(repeated, str)
    pd.testing.assert_frame_equal(repeated, topics)


def test_missing_embeddings_or_weights_are_reported(tmp_path: Path) -> None:
    assert topics_of_clips(None, FEW) == (
        "no clip has an embedding of CLIP: run `hfv score --generator G --profile paper`"
    )
    sentence = topics_of_clips(np.zeros((1, 32), np.float32), FEW, WeightsDir(root=tmp_path))
    assert sentence == f"the text tower of CLIP is not in {tmp_path}: run `hfv weights pull`"
    findings = diversity(clean(), load_topics(), sentence).findings
    assert [finding.says for finding in findings if "CLIP" in finding.finding] == [f"not computed: {sentence}"]


@pytest.mark.parametrize(("one_topic", "severity"), [(False, Severity.OK), (True, Severity.ERROR)])
def test_clips_of_one_topic_are_reported(one_topic: bool, severity: Severity) -> None:
    clips, topics = clean(), load_topics()
    names = {topic: [*topics[topic]] for topic in topics}
    topics_of_clip = nearest_topics(
        np.zeros((len(clips), 1), np.float32), {name: np.zeros((1, 1), np.float32) for name in names}, topics
    )
    if not one_topic:
        for topic, choices in names.items():
            topics_of_clip[topic] = [choices[number % len(choices)] for number in range(len(clips))]
    report = diversity(clips, topics, topics_of_clip)
    findings = [finding for finding in report.findings if "CLIP" in finding.finding]
    assert {finding.severity for finding in findings} == {severity}
    assert [finding.finding for finding in findings] == [
        "evenness of activities by CLIP",
        "evenness of backgrounds by CLIP",
    ]
    assert all("it agrees with" in finding.says for finding in findings)
    assert int(report.data["counts"]["activities by CLIP"].sum()) == int((~clips["is_real"]).sum())
    axes = pictures.topics(report.data["counts"]).axes
    assert [each.get_xlabel() for each in axes] == ["prompts", "prompts", "clips", "clips"]
    too_few = diversity(clips.head(LEAST - 1), topics, topics_of_clip.head(LEAST - 1))
    assert "it needs 20" in " ".join(finding.says for finding in too_few.findings if "CLIP" in finding.finding)
