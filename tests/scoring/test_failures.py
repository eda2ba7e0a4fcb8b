"""Clips without a score have too few frames, or models with an output that is not finite."""

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
@pytest.mark.parametrize("not_finite", [math.nan, math.inf])
def test_a_flow_that_is_not_finite_fails_the_clip(
    profile: Profile, not_finite: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One value in one pair suffices: that pair must not count as a pair without visible pixels."""
    clip_scorer = scorer(profile)
    flow = clip_scorer._models["flow"].flow

    def broken(first: Features, second: Features) -> torch.Tensor:
        result: torch.Tensor = flow(first, second).clone()
        result[-1, 0, 0, 0] = not_finite
        return result

    monkeypatch.setattr(clip_scorer._models["flow"], "flow", broken)
    result = clip_scorer.score(chunks(walk(3)), [Metric.SPATIAL, Metric.MOTION]).scores
    assert [score.value for score in result.values()] == [None, None]
    assert all("not finite" in str(score.error) for score in result.values())
    assert all(value is None or math.isfinite(value) for score in result.values() for value in score.trace)


@pytest.mark.parametrize("not_finite", [math.nan, math.inf])
@pytest.mark.parametrize("flow_on", ["depth", "rgb"])
@pytest.mark.parametrize("masked", [True, False])
def test_a_backward_flow_that_is_not_finite_fails_metrics_that_use_it(
    masked: bool, flow_on: str, not_finite: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Motion without occlusion does not use it, although spatial has it computed."""
    usual = paper(flow_on=flow_on)
    profile = dataclasses.replace(usual, motion=dataclasses.replace(usual.motion, occlusion=masked))
    clip_scorer = scorer(profile)
    flow, calls = clip_scorer._models["flow"].flow, itertools.count(1 if masked or flow_on == "rgb" else 0)

    def broken(first: Features, second: Features) -> torch.Tensor:
        """Break the backward flows: every second call, after the one for motion if it needs no backward flow."""
        result: torch.Tensor = flow(first, second).clone()
        if next(calls) in (2, 4):
            result[-1, 0, 0, 0] = not_finite
        return result

    valid = clip_scorer.score(chunks(walk(3)), [Metric.MOTION]).scores
    monkeypatch.setattr(clip_scorer._models["flow"], "flow", broken)
    result = clip_scorer.score(chunks(walk(3)), [Metric.MOTION, Metric.SPATIAL]).scores
    assert "not finite" in str(result[Metric.SPATIAL].error)
    if masked:
        assert "not finite" in str(result[Metric.MOTION].error)
    else:
        assert result[Metric.MOTION] == valid[Metric.MOTION]


def test_an_embedding_that_is_not_finite_fails_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    clip_scorer = scorer(paper())
    embed = clip_scorer._models["subject"].embed

    def broken(frames: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = embed(frames).clone()
        result[-1, 0] = math.nan
        return result

    monkeypatch.setattr(clip_scorer._models["subject"], "embed", broken)
    result = clip_scorer.score(chunks(walk(3)), [Metric.APPEARANCE]).scores[Metric.APPEARANCE]
    assert result == Score(error="an embedding of its frames is not finite")


@pytest.mark.parametrize("profile", [paper(evidence=True), paper(evidence=True, flow_on="rgb")], ids=["paper", "rgb"])
@pytest.mark.parametrize("size", [(17, 33), (64, 640)])
def test_odd_sizes_and_two_frames_have_scores(profile: Profile, size: tuple[int, int]) -> None:
    result = scorer(profile).score(chunks(walk(2, height=size[0], width=size[1]))).scores
    assert all(score.error is None or "visible" in score.error for score in result.values())
    assert [len(score.trace) for score in result.values()] == [1, 1, 1]


@pytest.mark.parametrize("level", [0, 128])
def test_flat_frames_have_scores(level: int) -> None:
    result = scorer(paper(evidence=True)).score(chunks(np.full((3, 48, 64, 3), level, np.uint8))).scores
    assert all(score.error is None for score in result.values())


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
    clip_scorer = scorer(dataclasses.replace(usual, spatial=dataclasses.replace(usual.spatial, occlusion=occlusion)))
    original_maps = type(clip_scorer._models["depth"]).maps

    def broken(self: Any, frames: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = original_maps(self, frames).clone()
        maps[0, maps.shape[1] // 2, maps.shape[2] // 2] = torch.nan
        return maps

    monkeypatch.setattr(type(clip_scorer._models["depth"]), "maps", broken)
    result = clip_scorer.score(chunks(walk(3))).scores
    assert result[Metric.SPATIAL].value is None
    assert result[Metric.SPATIAL].error == error
    assert result[Metric.MOTION].value is not None
