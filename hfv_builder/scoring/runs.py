"""Runs of three linked frames, and the change of the flow from the first step of a run to the second."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hfv_builder.frames.steps import Link
from hfv_builder.metrics.acceleration import flow_acceleration, lengths_of_parts, mean_length, without_shift
from hfv_builder.scoring.flow_pairs import Matches

AT_ONCE = {"cpu": 1 << 17, "cuda": 16 << 20}
"""Number of pixels whose acceleration is computed in one call; on a CPU as many as fit into its caches."""


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
        if not matches.frame_indices:
            return Runs()
        flow = matches.flow((matches.first.shape[-2], matches.first.shape[-1]))
        relative = without_shift(flow)
        speed = mean_length(relative).tolist()
        frame_indices, places, links = matches.frame_indices, matches.places, matches.links
        if self._last is not None:
            last_flow, last_relative, last = self._last
            flow, relative = torch.cat([last_flow, flow]), torch.cat([last_relative, relative])
            frame_indices, places = [last.frame_indices[-1], *frame_indices], [last.places[-1], *places]
            links = [last.links[-1], *links]
        self._last = (flow[-1:].clone(), relative[-1:].clone(), matches)
        starts = [i for i in range(len(places) - 1) if links[i] == Link.STEP and places[i + 1] == places[i] + 1]
        if not starts:
            return Runs(speed=speed)
        acceleration: list[float] = []
        scaling: list[float] = []
        pixels = AT_ONCE.get(flow.device.type, AT_ONCE["cpu"])
        for batch in _batches(starts, max(1, pixels // flow[0, 0].numel())):
            following = [i + 1 for i in batch]
            lengths = lengths_of_parts(flow_acceleration(flow[batch], relative[batch], relative[following]))
            for values, of_batch in zip((acceleration, scaling), lengths, strict=True):
                values += of_batch.tolist()
        return Runs(
            frame_indices=[frame_indices[i] for i in starts],
            acceleration=acceleration,
            scaling=scaling,
            speed=speed,
        )


def _batches(places: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
