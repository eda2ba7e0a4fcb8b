"""The two motion metrics: warp error of the frames, and acceleration of the optical flow."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from hfv_builder.metrics.acceleration import relative_to_speed
from hfv_builder.metrics.pooling import pool
from hfv_builder.metrics.warping import squared_errors
from hfv_builder.profiles.profile import Profile
from hfv_builder.scoring.base import Frames, MetricPass, Moment, image_size
from hfv_builder.scoring.runs import Runs
from hfv_builder.scoring.score import NO_FLOW, Score, score_of, score_of_pairs

UNMASKED = "unmasked_warp_error"
"""Component of a motion score: the warp error of all pixels, pooled as the score is."""
FLOW_ACCELERATION = "flow_acceleration"
"""Component of a motion score by warp error: the score that the acceleration of the same flow would give."""


class WarpErrorPass(MetricPass):
    """Motion score of the HFV paper: warp error of the frames along the flow between them."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._trace: list[Tensor] = []
        self._unmasked: list[Tensor] = []
        self._acceleration = AccelerationPass(profile)
        self._frame_indices: list[int] = []

    def update(self, frames: Frames) -> None:
        """Accumulate the next frames."""
        self._acceleration.update(frames)
        matches = frames.matches.steps() if frames.matches else None
        for pairs in matches.parts() if matches else ():
            flow, mask = pairs.compared(image_size(pairs.first), occlusion=self._profile.motion.occlusion)
            errors = squared_errors(pairs.first, pairs.second, flow)
            self._trace.append(errors.mean(mask))
            if mask is not None:
                self._unmasked.append(errors.mean())
            self._frame_indices += pairs.frame_indices

    def compute(self) -> Score:
        """Return the score of all frames; the trace has a value for the first frame of every pair.

        With an occlusion mask the warp error of all pixels is a component, and the flow acceleration where there are
        runs of three frames, both for the audit; the score does not use them.
        """
        score = score_of_pairs(self._trace, self._frame_indices, self._profile.motion.pool)
        every = pool(torch.cat(self._unmasked).tolist(), self._profile.motion.pool) if self._unmasked else None
        known = {UNMASKED: every, FLOW_ACCELERATION: self._acceleration.compute().value}
        finite = {name: value for name, value in known.items() if value is not None and math.isfinite(value)}
        return replace(score, components=score.components | finite)


class AccelerationPass(MetricPass):
    """Motion score for classical flow: acceleration of the flow relative to its speed."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._runs = Runs()

    def update(self, frames: Frames) -> None:
        """Accumulate the next frames."""
        self._runs.extend(frames.runs or Runs())

    def compute(self) -> Score:
        """Return the score of all frames; the trace has a value for the first frame of every run of three."""
        runs = self._runs
        if not runs.frame_indices:
            return Score(error="flow acceleration needs at least 3 adjacent frames")
        if not all(map(math.isfinite, runs.acceleration + runs.speed)):
            return Score(error=NO_FLOW)
        mean_speed = math.fsum(runs.speed) / len(runs.speed)
        pooled = pool(runs.acceleration, self._profile.motion.pool) or 0.0
        value = relative_to_speed(pooled, mean_speed)
        return score_of(runs.acceleration, runs.frame_indices, value, {"speed": mean_speed, "acceleration": pooled})

    def moment(self, place: int) -> Moment:
        """Return three frames, from frame `place` on."""
        return Moment([place, place + 1, place + 2])
