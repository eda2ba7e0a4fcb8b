"""One metric on its way through one clip: it takes what it needs of every few frames, and ends in a score.

What is kept of a clip is a number for each pair, a vector for each frame and, for depth, a small map for each frame
that goes to a file when they are many. Memory does not grow with the size of the frames, nor, with learnt models, with
their number; the classical models of depth and colour keep a small copy of every frame.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from hfv_builder.backends.base import DepthModel, EmbeddingModel, FlowModel, Maps
from hfv_builder.frames.size import shrunk_size
from hfv_builder.frames.spool import Spool
from hfv_builder.frames.steps import Link
from hfv_builder.metrics.acceleration import raised_by_scaling, relative_to_speed
from hfv_builder.metrics.consistency import consistency, inconsistency
from hfv_builder.metrics.pooling import pool
from hfv_builder.metrics.quantiles import percentiles
from hfv_builder.metrics.warping import warp_error
from hfv_builder.profiles.profile import Profile
from hfv_builder.scoring.flow_pairs import Matcher, Matches
from hfv_builder.scoring.runs import Runs
from hfv_builder.scoring.score import NO_FLOW, NO_PAIR, score_of, score_of_pairs
from hfv_builder.scoring.score import Score as Score

AT_ONCE = {"cpu": 4 << 20, "cuda": 16 << 20}
"""Pixels of frames or maps that are warped and compared in one go; they take up to a hundred bytes each."""
LOW, HIGH = 2.0, 98.0
"""Percentiles of the clip's depth that become 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The next frames of the clip, on the device."""

    rgb: Tensor
    """(n, H, W, 3) uint8."""
    index: Tensor
    """(n,) int32 on the CPU, the number of each frame in the clip."""
    link: Tensor
    """(n,) uint8 on the CPU, the `Link` of each frame to the one before it."""
    matches: Matches | None
    """The pairs that these frames complete, for the metrics that look at the flow of the frames; else None."""
    runs: Runs | None
    """The runs of three frames that they complete, for the metrics that look at its acceleration; else None."""


class Moment(NamedTuple):
    """What there is to see of one step of a metric."""

    places: list[int]
    """Of its frames, counted among those of the clip that were added."""
    maps: Tensor | None = None
    """(2, h, w) float32, the depth maps that were compared."""


class MetricPass(Protocol):
    """One metric on its way through one clip."""

    def add(self, frames: Frames) -> None:
        """Take the next frames."""

    def result(self) -> Score:
        """The score, after all frames."""

    def moment(self, place: int) -> Moment:
        """The step whose value stands for the frame of this place among those added; after the result."""
        return Moment([place, place + 1])

    def vectors(self) -> Tensor | None:
        """A vector for every frame added, (T, D) float32, L2-normalised; None if the metric has none to give."""
        return None


class AppearancePass(MetricPass):
    """Appearance: 1 − ½ (C_background + C_subject)."""

    def __init__(self, background: EmbeddingModel, subject: EmbeddingModel) -> None:
        self._background, self._subject = background.begin(), subject.begin()
        self._index: list[Tensor] = []
        self._link: list[Tensor] = []
        self._vectors: Tensor | None = None

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        self._background.add(frames.rgb)
        self._subject.add(frames.rgb)
        self._index.append(frames.index)
        self._link.append(frames.link)

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for the second frame of every pair."""
        compared = torch.cat(self._link)[1:] == Link.STEP
        self._vectors = self._background.result()
        vectors = (self._vectors, self._subject.result())
        background, subject = (consistency(each).cpu()[compared] for each in vectors)
        trace = inconsistency(background, subject).tolist()
        if not trace:
            return Score(error=NO_PAIR)
        if any(map(math.isnan, trace)):
            return Score(error="an embedding of its frames is not finite")
        components = {"background": background.mean().item(), "subject": subject.mean().item()}
        return score_of(trace, torch.cat(self._index)[1:][compared].tolist(), pool(trace, "mean"), components)

    def moment(self, place: int) -> Moment:
        """The clip's first frame, and the one before and at this place."""
        return Moment([0, place - 1, place])

    def vectors(self) -> Tensor | None:
        """The vectors that the background was judged by; after the result."""
        return self._vectors


class WarpErrorPass(MetricPass):
    """Motion as the paper has it: warp error of the frames along the flow between them."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._trace: list[Tensor] = []
        self._frames: list[int] = []

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        matches = frames.matches.steps() if frames.matches else None
        if matches is None or not matches.numbers:
            return
        flow, seen = matches.compared(_size(matches.first), occlusion=self._profile.motion.occlusion)
        self._trace.append(warp_error(matches.first, matches.second, flow, seen))
        self._frames += matches.numbers

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for the first frame of every pair."""
        return score_of_pairs(self._trace, self._frames, self._profile.motion.pool)


class AccelerationPass(MetricPass):
    """Motion for classical flow: how badly each flow continues the one before."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._runs = Runs()

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        self._runs.extend(frames.runs or Runs())

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for the first frame of every three."""
        runs = self._runs
        if not runs.numbers:
            return Score(error="flow acceleration needs at least 3 adjacent frames")
        if not all(map(math.isfinite, runs.acceleration + runs.speed)):
            return Score(error=NO_FLOW)
        mean_speed = math.fsum(runs.speed) / len(runs.speed)
        pooled = pool(runs.acceleration, self._profile.motion.pool) or 0.0
        value = relative_to_speed(pooled, mean_speed)
        return score_of(runs.acceleration, runs.numbers, value, {"speed": mean_speed, "acceleration": pooled})

    def moment(self, place: int) -> Moment:
        """The three frames from this place on."""
        return Moment([place, place + 1, place + 2])


class SpatialPass(MetricPass):
    """Spatial: warp error of the depth maps along the flow between them, or between the frames."""

    def __init__(self, profile: Profile, flow: FlowModel, depth: DepthModel, device: str) -> None:
        self._profile, self._flow, self._device = profile, flow, device
        self._depth = depth.begin()
        self._index: list[Tensor] = []
        self._link: list[Tensor] = []
        self._scaling: list[float] = []
        self._maps: Maps | None = None
        self._scale: list[float] | None = None
        self._links = Spool()
        """With flow of the frames: (pairs, 3, h, w), the flow and what is visible, at the size of the maps."""

    def add(self, frames: Frames) -> None:
        """Take the next frames."""
        self._depth.add(frames.rgb)
        self._index.append(frames.index)
        self._link.append(frames.link)
        self._scaling += frames.runs.scaling if frames.runs else []
        matches = frames.matches.steps() if frames.matches else None
        if self._profile.depth.flow_on == "rgb" and matches is not None and matches.numbers:
            size = shrunk_size(*_size(matches.first), self._profile.depth.long_side)
            flow, seen = matches.compared(size, occlusion=self._profile.spatial.occlusion)
            seen = torch.ones_like(flow[:, 0]) if seen is None else seen.to(flow.dtype)
            self._links.append(torch.cat([flow, seen[:, None]], dim=1))

    def result(self) -> Score:
        """The score, after all frames; its trace has a value for the first frame of every pair."""
        maps = self._depth.result()
        scale: list[float] | None = None
        if self._profile.depth.scale == "percentile":
            scale = percentiles(maps, (LOW, HIGH))
            if math.isnan(sum(scale)):
                return Score(error="its depth is not finite everywhere")
        self._maps, self._scale = maps, scale
        trace: list[Tensor] = []
        numbers: list[int] = []
        align = self._profile.depth.align == "scale"
        for linked in self._links_of(maps, scale):
            trace.append(warp_error(linked.first, linked.second, linked.flow, linked.seen, align=align))
            numbers += linked.numbers
        score = score_of_pairs(trace, numbers, self._profile.spatial.pool)
        return self._raised(score) if self._profile.spatial.scaling else score

    def _raised(self, score: Score) -> Score:
        """The score raised by the scaling part of the flow acceleration; the trace stays the warp error."""
        if score.value is None:
            return score
        if not all(map(math.isfinite, self._scaling)):
            return Score(error=NO_FLOW)
        scaling = pool(self._scaling, self._profile.spatial.pool) or 0.0
        components = score.components | {"warp_error": score.value, "scaling": scaling}
        return replace(score, value=raised_by_scaling(score.value, scaling), components=components)

    def moment(self, place: int) -> Moment:
        """The frame of this place and the next, with their maps."""
        if self._maps is None:
            raise ValueError("there is no result")
        maps = _scaled(self._maps[place : place + 2].to(self._device), self._scale)
        return Moment([place, place + 1], maps)

    def _links_of(self, maps: Maps, scale: list[float] | None) -> "Iterator[_Linked]":
        """Pairs of maps, some at a time, with the flow between them."""
        index, link = torch.cat(self._index), torch.cat(self._link)
        link = link.where(link == Link.STEP, Link.NONE)
        step = max(2, AT_ONCE.get(torch.device(self._device).type, AT_ONCE["cpu"]) // maps[0:1].numel())
        own = self._profile.depth.flow_on == "depth"
        matcher = Matcher(self._flow, backward=self._profile.spatial.occlusion)
        done = 0
        for start in range(0, len(index), step):
            # The matcher carries the last map over by itself; without it the parts share one.
            part = slice(start, start + step) if own else slice(start, start + step + 1)
            now = _scaled(maps[part].to(self._device), scale).unsqueeze(1)
            if own:
                matches = matcher.add(now, index[part], link[part])
                if matches.numbers:
                    flow, seen = matches.compared(_size(now), occlusion=self._profile.spatial.occlusion)
                    yield _Linked(matches.first, matches.second, flow, seen, matches.numbers)
                continue
            at = torch.nonzero(link[part][1:]).flatten()
            if len(at):
                links = self._links[done : done + len(at)].to(self._device)
                done += len(at)
                seen = links[:, 2] > 0 if self._profile.spatial.occlusion else None
                yield _Linked(now[at], now[at + 1], links[:, :2], seen, index[part][at].tolist())


class _Linked(NamedTuple):
    """Some pairs of maps and what links them."""

    first: Tensor
    """(k, 1, h, w) float32."""
    second: Tensor
    flow: Tensor
    """(k, 2, h, w), pixels."""
    seen: Tensor | None
    """(k, h, w) bool."""
    numbers: list[int]


def _scaled(maps: Tensor, scale: list[float] | None) -> Tensor:
    """The maps with the two values brought to 0 and 1, and what lies outside clipped; a flat clip becomes 0."""
    if scale is None:
        return maps
    low, high = scale
    return ((maps - low) / (high - low)).clamp(0, 1) if high > low else torch.zeros_like(maps)


def _size(pictures: Tensor) -> tuple[int, int]:
    return pictures.shape[-2], pictures.shape[-1]
