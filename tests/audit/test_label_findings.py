"""Findings about labels: other profiles, formats, real footage and the components of scores."""

import pandas as pd
import pytest

from hfv_builder.audit.finding import Severity
from hfv_builder.audit.labels import COMPONENTS, SCORES, labels, ranked_together
from tests.audit.planted import clean, labelled


def test_labels_of_another_profile_are_compared() -> None:
    clips = clean()
    scores = clips[~clips["is_real"]].set_index("clip_id")[SCORES]
    same = [item for item in labels(clips, {"lite": scores}).findings if "profile" in item.finding]
    assert {item.severity for item in same} == {Severity.OK}
    turned = scores.rename(columns=dict(zip(SCORES, [*SCORES[1:], SCORES[0]], strict=True)))
    other = [item for item in labels(clips, {"lite": turned}).findings if "profile" in item.finding]
    assert {item.severity for item in other} == {Severity.ERROR}
    assert sum(len(item.clips) for item in other) > 0.9 * len(scores)


def test_labels_of_a_profile_with_some_clips_are_compared_among_them() -> None:
    clips = clean()
    kling = clips[clips["generator"].eq("kling")].set_index("clip_id")[SCORES]
    some = kling[kling["spatial"] > kling["spatial"].median()]  # ranked among themselves they have other labels
    (found,) = [item for item in labels(clips, {"lite": some}).findings if "profile" in item.finding]
    assert found.estimate is not None
    assert (found.subject, found.estimate.value, found.clips) == ("kling: lite", 0.0, ())
    assert f"among the {len(some)} of its {len(kling)} clips that both scored" in found.says
    (few,) = [item for item in labels(clips, {"lite": some.head(19)}).findings if "profile" in item.finding]
    assert "it needs 20 clips of kling with all scores of lite, and there are 19" in few.says


def test_labels_by_format_are_resampled_in_their_formats() -> None:
    clips = clean()
    fake = clips[~clips["is_real"]].assign(height=480, fps=24.0, num_frames=48)
    shifted = fake.assign(spatial=fake["spatial"] + fake["width"], motion=fake["motion"] - fake["width"])
    formats = shifted["generator"] + shifted["width"].astype(str)
    by_format = labelled(shifted.assign(generator=formats)).assign(generator=shifted["generator"])
    figures = {
        item.subject: item.estimate.value
        for item in labels(by_format, {}).findings
        if item.finding == "labels that chance would change" and item.estimate
    }
    assert len(figures) == 3
    assert max(figures.values()) < 0.15


def test_formats_are_those_of_all_clips_of_the_generator() -> None:
    facts_ = {"width": 640, "height": 480, "fps": 24.0, "num_frames": [97, 121, 81], "group_size": [1, 1, None]}
    every = pd.DataFrame(facts_)  # with the clip without a label, 97 and 121 frames are two formats
    groups = ranked_together(every.head(2), every)
    assert groups.nunique() == 2


def test_the_reference_rule_takes_real_scores_of_the_same_profile() -> None:
    clips = clean()
    other = clips.assign(fingerprint=clips["fingerprint"].mask(clips["is_real"], "other"))
    name = "clips within the real range"
    assert [item.subject for item in labels(clips, {}).findings if item.finding == name] == ["kling", "pika", "sora"]
    (found,) = [item for item in labels(other, {}).findings if item.finding == name]
    assert found.estimate is None
    assert "scores of the same profile, and there are 0" in found.says


def test_real_clips_are_counted_without_a_generator_to_compare() -> None:
    clips = clean()
    some = pd.concat([clips[clips["is_real"]].head(12), clips[~clips["is_real"]].groupby("generator").head(8)])
    assert "and there are 12" in [item.says for item in labels(some, {}).findings][-1]


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_motion_score_is_compared_with_its_components(component: str) -> None:
    clips = clean()
    clips[component] = -clips["motion"]
    findings = [item for item in labels(clips, {}).findings if item.finding.startswith("motion score against")]
    assert {item.finding for item in findings} == {COMPONENTS[component][0]}
    assert [item.estimate and round(item.estimate.value, 6) for item in findings] == [-1, -1, -1]
    assert {item.severity for item in findings} == {Severity.OK}
