"""Runs of three linked frames, and how badly the flow of the second step continues that of the first."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hfv_builder.frames.steps import Link
from hfv_builder.metrics.acceleration import flow_acceleration, lengths_of_parts, mean_length, without_shift
from hfv_builder.scoring.flow_pairs import Matches

AT_ONCE = {"cpu": 1 << 17, "cuda": 16 << 20}
"""Pixels whose acceleration is worked out in one go: as many as the caches of a CPU hold."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Some runs of three frames, with a value for each; and for each pair its speed."""

    frame_indices: list[int] = field(default_factory=list)
    """The index of each first frame in the clip."""
    acceleration: list[float] = field(default_factory=list)
    """Mean length of the flow acceleration less that of its scaling part, pixels a frame²."""
    scaling: list[float] = field(default_factory=list)
    """Mean length of the scaling part."""
    speed: list[float] = field(default_factory=list)
    """Mean length of the flow of every pair without the camera's shift, pixels a frame."""

    def extend(self, more: "Runs") -> None:
        """Put the next ones at the end."""
        for name, values in vars(more).items():
            getattr(self, name).extend(values)


class RunFinder:
    """Goes through the matches of a clip, across the borders of what is added at once."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor, Matches] | None = None

    def find(self, matches: Matches) -> Runs:
        """The runs that these pairs complete."""
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
        at = [i for i in range(len(places) - 1) if links[i] == Link.STEP and places[i + 1] == places[i] + 1]
        if not at:
            return Runs(speed=speed)
        acceleration: list[float] = []
        scaling: list[float] = []
        pixels = AT_ONCE.get(flow.device.type, AT_ONCE["cpu"])
        for part in _batches(at, max(1, pixels // flow[0, 0].numel())):
            after = [i + 1 for i in part]
            parts = lengths_of_parts(flow_acceleration(flow[part], relative[part], relative[after]))
            for values, more in zip((acceleration, scaling), parts, strict=True):
                values += more.tolist()
        return Runs(
            frame_indices=[frame_indices[i] for i in at],
            acceleration=acceleration,
            scaling=scaling,
            speed=speed,
        )


def _batches(places: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
