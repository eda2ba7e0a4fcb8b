"""Every added fault is reported, and a data set without faults has no finding above a note."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from hfv_builder.audit.agreement import agreement
from hfv_builder.audit.diversity import diversity
from hfv_builder.audit.finding import Estimate, Finding, Severity
from hfv_builder.audit.labels import labels
from hfv_builder.audit.leakage import NEAR, leakage
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.audit.media import media
from hfv_builder.audit.page import verdict
from hfv_builder.audit.people import people
from hfv_builder.audit.pictures import facts
from hfv_builder.audit.shortcuts import shortcuts
from hfv_builder.audit.topics import load_topics
from hfv_builder.frames.fixed_edges import SIDE
from tests.audit.planted import clean, labelled

NO_PAIRS = pd.DataFrame({"first": [], "second": [], "bits": []})
AREAS: dict[str, Callable[[pd.DataFrame], tuple[Finding, ...]]] = {
    "shortcuts": lambda clips: shortcuts(clips).findings,
    "leakage": lambda clips: leakage(clips, NO_PAIRS).findings,
    "labels": lambda clips: labels(clips, {}).findings,
    "agreement": lambda clips: agreement(clips).findings,
    "diversity": lambda clips: diversity(clips, load_topics(), "no clip has an embedding").findings,
    "people": lambda clips: people(clips).findings,
    "media": lambda clips: media(clips).findings,
}


@pytest.fixture(autouse=True)
def _small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use few folds, trees and permutations, which suffice for plain faults."""
    monkeypatch.setattr("hfv_builder.audit.shortcuts.FOLDS", 2)
    monkeypatch.setattr("hfv_builder.audit.shortcuts.TREES", 3)
    monkeypatch.setattr("hfv_builder.audit.shortcuts.PERMUTATIONS", 3)
    monkeypatch.setattr("hfv_builder.audit.shortcuts.FEWER", 2)


@pytest.mark.parametrize("area", AREAS)
def test_a_set_without_faults_has_no_finding_above_a_note(area: str) -> None:
    findings = AREAS[area](clean())
    assert findings
    assert [finding for finding in findings if finding.severity.rank > Severity.NOTE.rank] == []
    assert all(finding.area.value == area for finding in findings)


def _fps_of_the_source(clips: pd.DataFrame) -> pd.DataFrame:
    return clips.assign(fps=clips["fps"].mask(clips["is_real"], 25.0))


def _length_of_a_label(clips: pd.DataFrame) -> pd.DataFrame:
    return clips.assign(num_frames=clips["num_frames"].mask(clips["auto_label"].eq(2).fillna(False), 200))


def _one_content_twice(clips: pd.DataFrame) -> pd.DataFrame:
    clips["split"] = "train"
    twin = clips.head(1).assign(split="test", generator="pika")
    return pd.concat([clips, twin], ignore_index=True)


def _near_duplicates_on_two_sides(clips: pd.DataFrame) -> pd.DataFrame:
    clips.loc[clips.index[:40], NEAR] = np.repeat(clips["clip_id"].to_numpy()[:20], 2)
    clips.loc[clips.index[:40], "split"] = ["train", "test"] * 20
    return clips


def _prompt_on_two_sides(clips: pd.DataFrame) -> pd.DataFrame:
    return clips.assign(prompt_group=[f"g{number // 5}" for number in range(len(clips))])


def _motion_score_of_speed(clips: pd.DataFrame) -> pd.DataFrame:
    return labelled(clips.assign(motion=clips["change"] * 10))


def _two_metrics_alike(clips: pd.DataFrame) -> pd.DataFrame:
    return labelled(clips.assign(appearance=clips["spatial"] * 2))


def _ties(clips: pd.DataFrame) -> pd.DataFrame:
    return labelled(clips.assign(spatial=1.0, appearance=1.0, motion=1.0))


def _within_the_real_range(clips: pd.DataFrame) -> pd.DataFrame:
    draws = np.random.default_rng(3).normal(1, 0.1, (len(clips), 3))
    return labelled(clips.assign(spatial=draws[:, 0], appearance=draws[:, 1], motion=draws[:, 2]))


def _labels_of_noise(clips: pd.DataFrame) -> pd.DataFrame:
    noise = np.random.default_rng(5).integers(0, 3, len(clips))
    return clips.assign(final_label=pd.Series(noise, clips.index, "Int32").mask(clips["is_real"]))


def _one_activity(clips: pd.DataFrame) -> pd.DataFrame:
    return clips.assign(prompt="a man walks in a park")


def _activities_by_side(clips: pd.DataFrame) -> pd.DataFrame:
    prompts = {"train": "a man walks", "val": "a man dances", "test": "a man swims"}
    return clips.assign(prompt=clips["split"].map(prompts))


def _with(column: str, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def add_fault(clips: pd.DataFrame) -> pd.DataFrame:
        chosen = clips.index[clips["generator"].eq("kling")][:24]
        clips[column] = clips[column].astype(float)
        clips.loc[chosen, column] = value
        return clips

    return add_fault


def _animals(clips: pd.DataFrame) -> pd.DataFrame:
    return clips.assign(person=clips["person"].mask(clips["generator"].eq("kling"), 0.1))


def _watermark(clips: pd.DataFrame) -> pd.DataFrame:
    """Give all clips edges of random directions, and those of kling the same edges in one square."""
    codes = np.random.default_rng(7).integers(0, 9, (len(clips), SIDE, SIDE // 2, 2)).astype(np.uint8)
    codes[clips["generator"].eq("kling").to_numpy(), 100:110, 10:14] = 1
    return clips.assign(fixed=[maps.tobytes() for maps in codes[..., 0] << 4 | codes[..., 1]])


FAULTS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str, str]] = {
    "fps": ("shortcuts", _fps_of_the_source, "real or generated by container facts", "error"),
    "length": ("shortcuts", _length_of_a_label, "label by container facts", "warning"),
    "content": ("leakage", _one_content_twice, "content on two sides", "error"),
    "near": ("leakage", _near_duplicates_on_two_sides, "near duplicates on two sides", "error"),
    "prompt": ("leakage", _prompt_on_two_sides, "prompts on two sides", "error"),
    "video": ("leakage", _prompt_on_two_sides, "source videos on two sides", "error"),
    "speed": ("labels", _motion_score_of_speed, "score that follows a confound", "error"),
    "alike": ("labels", _two_metrics_alike, "two scores that agree", "error"),
    "ties": ("labels", _ties, "tied labels", "error"),
    "range": ("labels", _within_the_real_range, "clips within the real range", "error"),
    "noise": ("agreement", _labels_of_noise, "kappa with reviewers", "error"),
    "changed": ("agreement", _labels_of_noise, "labels that reviewers change", "error"),
    "activity": ("diversity", _one_activity, "evenness of activities", "error"),
    "sides": ("diversity", _activities_by_side, "activities that differ between sides", "error"),
    "animals": ("people", _animals, "no person detected", "warning"),
    "watermark": ("media", _watermark, "watermark at one place", "error"),
    "frozen": ("media", _with("frozen", 0.9), "frozen or duplicated frames", "error"),
    "black": ("media", _with("black", 1.0), "black frames", "error"),
    "cut": ("media", _with("cuts", 1), "hard cuts", "warning"),
    "border": ("media", _with("border", 0.2), "black or white borders", "warning"),
    "short": ("media", _with("decoded", 10), "truncated files", "error"),
}


@pytest.mark.parametrize(("area", "add_fault", "finding", "severity"), FAULTS.values(), ids=FAULTS)
def test_an_added_fault_is_reported(
    area: str, add_fault: Callable[[pd.DataFrame], pd.DataFrame], finding: str, severity: str
) -> None:
    findings = AREAS[area](add_fault(clean()))
    worst = max((item for item in findings if item.finding == finding), key=lambda item: item.severity.rank)
    assert worst.severity.value == severity, worst.says
    assert worst.advice.startswith("hfv ")
    assert all(item.clips for item in findings if "LIST" in item.advice)
    if add_fault is _fps_of_the_source:
        severity_of_fact = {
            item.subject: item.severity.value for item in findings if item.finding == "real or generated by one fact"
        }
        assert severity_of_fact["fps"] == "error"
        assert severity_of_fact["width"] == "ok"


def test_listed_clips_are_those_of_the_fault() -> None:
    clips = _with("frozen", 0.9)(clean())
    frozen = next(
        item for item in media(clips).findings if item.finding == "frozen or duplicated frames" and item.clips
    )
    assert {*frozen.clips} == {*clips.loc[clips["frozen"].gt(0.5), "clip_id"]}


def test_a_side_may_name_no_frequent_activity() -> None:
    prompts = ["a man walks"] * 15 + ["a woman swims"] * 15 + ["a man dances"] * 2
    clips = clean().query("generator == 'kling'").head(32).assign(prompt=prompts, split=["train"] * 30 + ["val"] * 2)
    findings = diversity(clips, load_topics(), "no clip has an embedding").findings
    assert "activities that differ between sides" not in {item.finding for item in findings}


def test_sides_that_share_no_activity_differ_wholly() -> None:
    prompts = ["a man walks"] * 10 + ["a man dances"] * 10
    clips = clean().query("generator == 'kling'").head(20).assign(prompt=prompts, split=["train"] * 10 + ["val"] * 10)
    found = {each.finding: each.estimate for each in diversity(clips, load_topics(), "no embedding").findings}
    estimate = found["activities that differ between sides"]
    assert estimate is not None
    assert estimate.value == pytest.approx(1)


@pytest.mark.parametrize(
    ("area", "name"),
    [
        ("labels", "labels that chance would change"),
        ("shortcuts", "label by container facts"),
        ("media", "watermark at one place"),
        ("agreement", "labels that reviewers change"),
    ],
)
def test_generators_with_too_few_clips_are_named(area: str, name: str) -> None:
    clips = _watermark(clean()) if area == "media" else clean()
    few = clips.drop(clips.index[clips["generator"].eq("kling")][6:])
    found = {item.subject: item for item in AREAS[area](few) if item.finding == name}
    assert "pika" in found
    assert found["all"].severity is Severity.NOTE
    assert found["all"].says.endswith("too few: kling")


def test_no_finding_is_ok_where_nothing_can_be_examined() -> None:
    clips = clean()
    one_video = clips.assign(prompt_group=clips["prompt_group"].mask(clips["is_real"], "film"))
    name = "real or generated by container facts"
    found = [item for item in shortcuts(one_video).findings if item.finding == name]
    assert [(item.estimate, item.severity) for item in found] == [(None, Severity.NOTE)] * 2
    hashed = clips.assign(**{NEAR: clips[NEAR].where(clips["split"].eq("test"))})
    name = "near duplicates on two sides"
    (some,) = [item for item in leakage(hashed, NO_PAIRS).findings if item.finding == name]
    assert f"0 of {clips['split'].eq('test').sum()} clips" in some.says
    unsplit = clips.assign(split=clips["split"].mask(clips[NEAR].eq(clips[NEAR].iloc[0])))
    unsplit[NEAR] = unsplit[NEAR].where(unsplit["split"].isna())
    (none,) = [item for item in leakage(unsplit, NO_PAIRS).findings if item.finding == name]
    assert (none.estimate, none.severity) == (None, Severity.NOTE)


def test_a_verdict_names_what_could_not_be_computed() -> None:
    fine = judge("tied labels", "kling", Estimate(value=0.0, low=0.0, high=0.1), "no ties")
    assert verdict([fine]) == "a careful reviewer finds nothing serious"
    absent = not_computed("watermark at one place", "too few clips")
    assert verdict([fine, absent]) == "a careful reviewer finds nothing serious, but 1 check could not be computed"


def test_an_interval_from_zero_is_drawn_whole() -> None:
    (axes,) = facts({"fps": Estimate(value=0.5, low=0.0, high=1.0)}, {}).axes
    assert np.array_equal(axes.lines[0].get_xdata(), [0, 1])
