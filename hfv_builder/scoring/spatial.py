"""The spatial metric: warp error of the depth maps."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from hfv_builder.backends.base import DepthModel, FlowModel, Maps
from hfv_builder.frames.size import shrunk_size
from hfv_builder.frames.spool import Spool
from hfv_builder.frames.steps import Link
from hfv_builder.metrics.acceleration import raised_by_scaling
from hfv_builder.metrics.pooling import pool
from hfv_builder.metrics.quantiles import percentiles
from hfv_builder.metrics.warping import warp_error
from hfv_builder.profiles.profile import Profile
from hfv_builder.scoring.base import AT_ONCE, Frames, MetricPass, Moment, image_size
from hfv_builder.scoring.flow_pairs import Matcher
from hfv_builder.scoring.score import NO_FLOW, Score, score_of_pairs

LOW, HIGH = 2.0, 98.0
"""Percentiles of all depth values of the clip that are mapped to 0 and 1."""


class SpatialPass(MetricPass):
    """Spatial score: warp error of the depth maps along the flow between the maps, or between the frames.

    Keeps one small depth map per frame, in a file if there are many, so that memory does not grow with the clip.
    """

    def __init__(self, profile: Profile, flow: FlowModel, depth: DepthModel, device: str) -> None:
        self._profile, self._flow, self._device = profile, flow, device
        self._depth = depth.begin()
        self._frame_indices: list[Tensor] = []
        self._link: list[Tensor] = []
        self._scaling: list[float] = []
        self._maps: Maps | None = None
        self._scale: list[float] | None = None
        self._frame_flow = Spool()
        """With `flow_on = "rgb"`: (pairs, 3, h, w), flow and visibility mask at the size of the maps."""

    def update(self, frames: Frames) -> None:
        """Accumulate the next frames."""
        self._depth.update(frames.rgb)
        self._frame_indices.append(frames.frame_indices)
        self._link.append(frames.link)
        self._scaling += frames.runs.scaling if frames.runs else []
        matches = frames.matches.steps() if frames.matches else None
        if self._profile.depth.flow_on == "rgb" and matches is not None and matches.frame_indices:
            size = shrunk_size(*image_size(matches.first), self._profile.depth.long_side)
            flow, mask = matches.compared(size, occlusion=self._profile.spatial.occlusion)
            mask = torch.ones_like(flow[:, 0]) if mask is None else mask.to(flow.dtype)
            self._frame_flow.append(torch.cat([flow, mask[:, None]], dim=1))

    def compute(self) -> Score:
        """Return the score of all frames; the trace has a value for the first frame of every pair."""
        maps = self._depth.compute()
        scale: list[float] | None = None
        if self._profile.depth.scale == "percentile":
            scale = percentiles(maps, (LOW, HIGH))
            if math.isnan(sum(scale)):
                return Score(error="its depth is not finite everywhere")
        self._maps, self._scale = maps, scale
        trace: list[Tensor] = []
        frame_indices: list[int] = []
        align = self._profile.depth.align == "scale"
        for pairs in self._map_pairs(maps, scale):
            trace.append(warp_error(pairs.first, pairs.second, pairs.flow, pairs.mask, align=align))
            frame_indices += pairs.frame_indices
        score = score_of_pairs(trace, frame_indices, self._profile.spatial.pool)
        return self._raised(score) if self._profile.spatial.scaling else score

    def _raised(self, score: Score) -> Score:
        """Return the score raised by the scaling part of the flow acceleration; the trace stays the warp error."""
        if score.value is None:
            return score
        if not all(map(math.isfinite, self._scaling)):
            return Score(error=NO_FLOW)
        scaling = pool(self._scaling, self._profile.spatial.pool) or 0.0
        components = score.components | {"warp_error": score.value, "scaling": scaling}
        return replace(score, value=raised_by_scaling(score.value, scaling), components=components)

    def moment(self, place: int) -> Moment:
        """Return frames `place` and `place` + 1 with their scaled depth maps. Call after `compute`."""
        if self._maps is None:
            raise ValueError("call compute first")
        maps = _scaled(self._maps[place : place + 2].to(self._device), self._scale)
        return Moment([place, place + 1], maps)

    def _map_pairs(self, maps: Maps, scale: list[float] | None) -> "Iterator[_MapPairs]":
        """Yield the adjacent depth maps, a bounded number at a time, with the flow between them."""
        frame_indices, link = torch.cat(self._frame_indices), torch.cat(self._link)
        link = link.where(link == Link.STEP, Link.NONE)
        step = max(2, AT_ONCE.get(torch.device(self._device).type, AT_ONCE["cpu"]) // maps[0:1].numel())
        flow_of_maps = self._profile.depth.flow_on == "depth"
        occlusion = self._profile.spatial.occlusion
        matcher = Matcher(self._flow, backward=occlusion)
        done = 0
        for start in range(0, len(frame_indices), step):
            # The matcher keeps the last map of a part. Without the matcher, successive parts overlap by one map.
            part = slice(start, start + step) if flow_of_maps else slice(start, start + step + 1)
            scaled = _scaled(maps[part].to(self._device), scale).unsqueeze(1)
            if flow_of_maps:
                matches = matcher.match(scaled, frame_indices[part], link[part])
                if matches.frame_indices:
                    flow, mask = matches.compared(image_size(scaled), occlusion=occlusion)
                    yield _MapPairs(matches.first, matches.second, flow, mask, matches.frame_indices)
                continue
            first = torch.nonzero(link[part][1:]).flatten()
            if len(first):
                stored = self._frame_flow[done : done + len(first)].to(self._device)
                done += len(first)
                mask = stored[:, 2] > 0 if occlusion else None
                indices = frame_indices[part][first].tolist()
                yield _MapPairs(scaled[first], scaled[first + 1], stored[:, :2], mask, indices)


class _MapPairs(NamedTuple):
    """k pairs of adjacent depth maps and the flow between them."""

    first: Tensor
    """(k, 1, h, w) float32."""
    second: Tensor
    """(k, 1, h, w) float32."""
    flow: Tensor
    """(k, 2, h, w), pixels."""
    mask: Tensor | None
    """(k, h, w) bool, True for pixels of the first map that are visible in the second; None compares all."""
    frame_indices: list[int]
    """The index of each first frame in the clip."""


def _scaled(maps: Tensor, scale: list[float] | None) -> Tensor:
    """Return the maps with the two values of `scale` mapped to 0 and 1, clipped to [0, 1]; a flat clip becomes 0."""
    if scale is None:
        return maps
    low, high = scale
    return ((maps - low) / (high - low)).clamp(0, 1) if high > low else torch.zeros_like(maps)
