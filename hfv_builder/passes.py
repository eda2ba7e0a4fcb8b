"""One metric on its way through one clip: it takes what it needs of every chunk of frames, and ends in a score."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hfv_builder.backends.base import DepthModel, EmbeddingModel, Features, FlowModel
from hfv_builder.config import Profile
from hfv_builder.metrics.acceleration import flow_acceleration, relative_to_speed, speed
from hfv_builder.metrics.consistency import consistency, inconsistency
from hfv_builder.metrics.pooling import pool
from hfv_builder.metrics.warping import visible, warp_error

PAIRS_AT_ONCE = 16
"""Pairs of depth maps that are compared in one batch."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one clip. A higher value is more anomalous; None, with an `error`, if there is none."""

    value: float | None = None
    components: dict[str, float] = field(default_factory=dict)
    """What the value was made of, by name."""
    frames: list[int] = field(default_factory=list)
    """For each value of the trace the number of the frame it stands for."""
    trace: list[float | None] = field(default_factory=list)
    """The error or inconsistency of each step; None where too few pixels could be compared."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The next frames of the clip, on the device."""

    rgb: Tensor
    """(n, H, W, 3) uint8."""
    pictures: Tensor
    """(n, 3, H, W) float32 in [0, 1], the same frames."""
    index: Tensor
    """(n,) int32, the number of each frame in the clip."""


class MetricPass(Protocol):
    """One metric on its way through one clip."""

    def add(self, frames: Frames) -> None:
        """Take the next frames."""

    def result(self) -> Score:
        """The score, after all frames."""


class AppearancePass:
    """Appearance: 1 − ½ (C_background + C_subject)."""

    def __init__(self, background: EmbeddingModel, subject: EmbeddingModel) -> None:
        self._background, self._subject = background.begin(), subject.begin()
        self._index: list[Tensor] = []

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        self._background.add(frames.rgb)
        self._subject.add(frames.rgb)
        self._index.append(frames.index)

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for every frame but the first."""
        background, subject = (consistency(each.result()) for each in (self._background, self._subject))
        components = {"background": background.mean().item(), "subject": subject.mean().item()}
        trace = inconsistency(background, subject).tolist()
        return _score(trace, torch.cat(self._index)[1:].tolist(), pool(trace, "mean"), components)


class Pairs(NamedTuple):
    """Some pairs of adjacent frames."""

    first: Tensor
    """(k, C, H, W) float32 in [0, 1]."""
    second: Tensor
    """(k, C, H, W) float32 in [0, 1]."""
    first_features: Features
    second_features: Features
    numbers: list[int]
    """The number of each first frame in the clip."""


class Steps:
    """Adjacent frames, pair by pair, across the borders of chunks: the last frame is kept for the next chunk."""

    def __init__(self, flow: FlowModel) -> None:
        self._flow = flow
        self._last: tuple[Tensor, Features, Tensor] | None = None

    def add(self, pictures: Tensor, index: Tensor) -> Pairs:
        """The pairs that these frames complete; frames that do not follow one another make none.

        Args:
            pictures: (n, C, H, W) float32 in [0, 1], the next frames.
            index: (n,) int32, their numbers in the clip.
        """
        features = self._flow.encode(pictures)
        if self._last is not None:
            before, before_features, before_index = self._last
            pictures, index = torch.cat([before, pictures]), torch.cat([before_index, index])
            features = tuple(torch.cat(both) for both in zip(before_features, features, strict=True))
        self._last = (pictures[-1:], tuple(each[-1:] for each in features), index[-1:])
        at = torch.nonzero(index[1:] == index[:-1] + 1).flatten()
        return Pairs(
            first=pictures[at],
            second=pictures[at + 1],
            first_features=tuple(each[at] for each in features),
            second_features=tuple(each[at + 1] for each in features),
            numbers=index[at].tolist(),
        )


class WarpErrorPass:
    """Motion as the paper has it: warp error of the frames along the flow between them."""

    def __init__(self, profile: Profile, flow: FlowModel) -> None:
        self._profile, self._flow = profile, flow
        self._steps = Steps(flow)
        self._trace: list[float] = []
        self._frames: list[int] = []

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        pairs = self._steps.add(frames.pictures, frames.index)
        self._trace += _warp_errors(self._flow, pairs, occlusion=self._profile.motion.occlusion)
        self._frames += pairs.numbers

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for the first frame of every pair."""
        value = pool(self._trace, self._profile.motion.pool)
        return _score(self._trace, self._frames, value, _pair_counts(self._trace))


class AccelerationPass:
    """Motion for classical flow: how badly each flow continues the one before."""

    def __init__(self, profile: Profile, flow: FlowModel) -> None:
        self._profile, self._flow = profile, flow
        self._steps = Steps(flow)
        self._last: tuple[Tensor, int] | None = None
        self._trace: list[float] = []
        self._frames: list[int] = []
        self._speeds: list[float] = []

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        pairs = self._steps.add(frames.pictures, frames.index)
        numbers = pairs.numbers
        if not numbers:
            return
        flow = self._flow.flow(pairs.first_features, pairs.second_features, _size(pairs.first))
        self._speeds += speed(flow).tolist()
        if self._last is not None:
            flow = torch.cat([self._last[0], flow])
            numbers = [self._last[1], *numbers]
        self._last = (flow[-1:], numbers[-1])
        at = [i for i in range(len(numbers) - 1) if numbers[i + 1] == numbers[i] + 1]
        if at:
            following = [i + 1 for i in at]
            self._trace += flow_acceleration(flow[at], flow[following]).tolist()
            self._frames += [numbers[i] for i in at]

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for the first frame of every three."""
        if not self._trace:
            return Score(error="flow acceleration needs at least 3 adjacent frames")
        mean_speed = math.fsum(self._speeds) / len(self._speeds)
        pooled = pool(self._trace, self._profile.motion.pool)
        value = None if pooled is None else relative_to_speed(pooled, mean_speed)
        return _score(self._trace, self._frames, value, {"speed": mean_speed, "acceleration": pooled or math.nan})


class SpatialPass:
    """Spatial: warp error of the depth maps along the flow between them."""

    def __init__(self, profile: Profile, flow: FlowModel, depth: DepthModel) -> None:
        self._profile, self._flow = profile, flow
        self._depth = depth.begin()
        self._index: list[Tensor] = []

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        self._depth.add(frames.rgb)
        self._index.append(frames.index)

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for the first frame of every pair."""
        maps = self._depth.result().unsqueeze(1)
        index = torch.cat(self._index)
        steps = Steps(self._flow)
        trace: list[float] = []
        numbers: list[int] = []
        for start in range(0, len(maps), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            pairs = steps.add(maps[part], index[part])
            trace += _warp_errors(self._flow, pairs, occlusion=self._profile.spatial.occlusion)
            numbers += pairs.numbers
        return _score(trace, numbers, pool(trace, self._profile.spatial.pool), _pair_counts(trace))


def _warp_errors(model: FlowModel, pairs: Pairs, *, occlusion: bool) -> list[float]:
    """E_t of each pair, with M where occlusion is asked for; NaN where too little is left to compare."""
    if not pairs.numbers:
        return []
    size = _size(pairs.first)
    forward = model.flow(pairs.first_features, pairs.second_features, size)
    mask = None
    if occlusion:
        mask = visible(forward, model.flow(pairs.second_features, pairs.first_features, size))
    errors: list[float] = warp_error(pairs.first, pairs.second, forward, mask).tolist()
    return errors


def _size(pictures: Tensor) -> tuple[int, int]:
    return pictures.shape[-2], pictures.shape[-1]


def _pair_counts(trace: list[float]) -> dict[str, float]:
    return {
        "pairs": float(len(trace)),
        "pairs_compared": float(sum(not math.isnan(value) for value in trace)),
    }


def _score(trace: list[float], frames: list[int], value: float | None, components: dict[str, float]) -> Score:
    """The score, or the reason why there is none; what is not a number becomes None."""
    known = [None if math.isnan(each) else each for each in trace]
    error = None
    if value is None:
        error = "no pair of frames has enough visible pixels to compare"
    elif not math.isfinite(value):
        value, error = None, "the score is not finite"
    return Score(value=value, components=components, frames=frames, trace=known, error=error)
