"""Runs of three linked frames, and the change of the flow from the first step of a run to the second.

It is computed at the size at which the flow was estimated; lengths are in pixels of the frames.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from hfv_builder.frames.steps import Link
from hfv_builder.metrics.acceleration import flow_acceleration, lengths_of_parts, mean_length, without_shift
from hfv_builder.scoring.flow_pairs import Matches


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The values of runs of three frames, and the speed of all pairs of frames."""

    frame_indices: list[int] = field(default_factory=list)
    """The index of each first frame in the clip."""
    acceleration: list[float] = field(default_factory=list)
    """Mean length of the flow acceleration of each run without its scaling part, pixels/frame²."""
    scaling: list[float] = field(default_factory=list)
    """Mean length of the scaling part of each run, pixels/frame²."""
    speed: list[float] = field(default_factory=list)
    """Mean length of the flow of each pair without the camera's shift, pixels/frame."""

    def extend(self, runs: "Runs") -> None:
        """Append the values of the runs that follow."""
        for name, values in vars(runs).items():
            getattr(self, name).extend(values)


class RunFinder:
    """Find the runs of three frames in the pairs of a clip, including runs that span two calls of `find`."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor, Matches] | None = None

    def find(self, matches: Matches) -> Runs:
        """Return the runs whose second pair is one of these."""
        runs = Runs()
        for part in matches.parts():
            runs.extend(self._find(part))
        return runs

    def _find(self, matches: Matches) -> Runs:
        flow, in_frame = matches.unscaled()
        relative = without_shift(in_frame)
        speed = mean_length(relative).tolist()
        frame_indices, places, links = matches.frame_indices, matches.places, matches.links
        before, self._last = self._last, (flow[-1:].clone(), relative[-1:].clone(), matches)
        if before is not None:
            last_flow, last_relative, last = before
            flow, relative = torch.cat([last_flow, flow]), torch.cat([last_relative, relative])
            frame_indices, places = [last.frame_indices[-1], *frame_indices], [last.places[-1], *places]
            links = [last.links[-1], *links]
        starts = [i for i in range(len(places) - 1) if links[i] == Link.STEP and places[i + 1] == places[i] + 1]
        if not starts:
            return Runs(speed=speed)
        following = [i + 1 for i in starts]
        acceleration = flow_acceleration(flow[starts], relative[starts], relative[following])
        rest, scaling = (lengths.tolist() for lengths in lengths_of_parts(acceleration))
        return Runs(frame_indices=[frame_indices[i] for i in starts], acceleration=rest, scaling=scaling, speed=speed)
