"""Clips without a score: too few frames, and models whose output is not finite."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from hfv_builder.backends.base import Features
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import ClipError, Metric
from hfv_builder.scoring.score import Score
from tests.scoring.material import chunks, paper, scorer, walk


@pytest.mark.parametrize("profile", [paper(), paper(flow_on="rgb"), load_profile("lite")], ids=["paper", "rgb", "lite"])
@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
def test_a_flow_that_is_nonsense_fails_the_clip(
    profile: Profile, nonsense: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once is enough, here for the last pair: a flow that is no number must not pass for one with nothing in sight."""
    ours = scorer(profile)
    flow = ours._models["flow"].flow

    def broken(first: Features, second: Features) -> torch.Tensor:
        found: torch.Tensor = flow(first, second).clone()
        found[-1, 0, 0, 0] = nonsense
        return found

    monkeypatch.setattr(ours._models["flow"], "flow", broken)
    found = ours.score(chunks(walk(4)), [Metric.SPATIAL, Metric.MOTION]).scores
    assert [score.value for score in found.values()] == [None, None]
    assert all("not finite" in str(score.error) for score in found.values())
    assert all(value is None or math.isfinite(value) for score in found.values() for value in score.trace)


@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
@pytest.mark.parametrize("flow_on", ["depth", "rgb"])
@pytest.mark.parametrize("masked", [True, False])
def test_a_backward_flow_that_is_nonsense_fails_what_looks_at_it(
    masked: bool, flow_on: str, nonsense: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Motion without occlusion does not look, though spatial has it made."""
    usual = paper(flow_on=flow_on)
    profile = dataclasses.replace(usual, motion=dataclasses.replace(usual.motion, occlusion=masked), evidence=False)
    ours = scorer(profile)
    flow, calls = ours._models["flow"].flow, itertools.count(1 if masked or flow_on == "rgb" else 0)

    def broken(first: Features, second: Features) -> torch.Tensor:
        """Every second flow is a backward one, after that of motion alone."""
        found: torch.Tensor = flow(first, second).clone()
        if next(calls) in (2, 4):
            found[-1, 0, 0, 0] = nonsense
        return found

    valid = ours.score(chunks(walk(4)), [Metric.MOTION]).scores
    monkeypatch.setattr(ours._models["flow"], "flow", broken)
    found = ours.score(chunks(walk(4)), [Metric.MOTION, Metric.SPATIAL]).scores
    assert "not finite" in str(found[Metric.SPATIAL].error)
    if masked:
        assert "not finite" in str(found[Metric.MOTION].error)
    else:
        assert found[Metric.MOTION] == valid[Metric.MOTION]


def test_an_embedding_that_is_nonsense_fails_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = scorer(paper())
    embed = ours._models["subject"].embed

    def broken(frames: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = embed(frames).clone()
        found[-1, 0] = math.nan
        return found

    monkeypatch.setattr(ours._models["subject"], "embed", broken)
    found = ours.score(chunks(walk(4)), [Metric.APPEARANCE]).scores[Metric.APPEARANCE]
    assert found == Score(error="an embedding of its frames is not finite")


@pytest.mark.parametrize("profile", [paper(), paper(flow_on="rgb")], ids=["paper", "rgb"])
@pytest.mark.parametrize("size", [(17, 33), (64, 640)])
def test_odd_sizes_and_two_frames_have_scores(profile: Profile, size: tuple[int, int]) -> None:
    found = scorer(profile).score(chunks(walk(2, height=size[0], width=size[1]))).scores
    assert all(score.error is None or "visible" in score.error for score in found.values())
    assert [len(score.trace) for score in found.values()] == [1, 1, 1]


@pytest.mark.parametrize("level", [0, 128])
def test_flat_frames_have_scores(level: int) -> None:
    found = scorer(paper()).score(chunks(np.full((3, 48, 64, 3), level, np.uint8))).scores
    assert all(score.error is None for score in found.values())


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_are_an_error(count: int) -> None:
    with pytest.raises(ClipError, match=f"{count} frame"):
        scorer(paper()).score(chunks(walk(4)[:count]))


@pytest.mark.parametrize("occlusion", [True, False])
@pytest.mark.parametrize(
    ("depth", "error"),
    [
        ({}, "its depth is not finite everywhere"),
        ({"scale": "none", "flow_on": "rgb"}, "the score is not finite"),
        ({"scale": "none", "flow_on": "rgb", "align": "scale"}, "the score is not finite"),
    ],
    ids=["paper", "unscaled", "aligned"],
)
def test_depth_that_is_not_finite_is_an_error_and_not_a_score(
    depth: dict[str, Any], error: str, occlusion: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = paper(**depth)
    made = scorer(dataclasses.replace(usual, spatial=dataclasses.replace(usual.spatial, occlusion=occlusion)))
    whole = type(made._models["depth"]).maps

    def broken(self: Any, frames: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = whole(self, frames).clone()
        maps[0, maps.shape[1] // 2, maps.shape[2] // 2] = torch.nan
        return maps

    monkeypatch.setattr(type(made._models["depth"]), "maps", broken)
    found = made.score(chunks(walk(3))).scores
    assert found[Metric.SPATIAL].value is None
    assert found[Metric.SPATIAL].error == error
    assert found[Metric.MOTION].value is not None
