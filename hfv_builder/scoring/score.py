"""The score of a clip on one metric, with the trace that it was pooled from."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hfv_builder.metrics.pooling import pool
from hfv_builder.profiles.profile import Pool

NO_PAIR = "no two adjacent frames can be compared"
NO_FLOW = "its flow is not finite"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one clip. A higher value is more anomalous; None, with an `error`, if there is none."""

    value: float | None = None
    components: dict[str, float] = field(default_factory=dict)
    """What the value was made of, by name."""
    frames: list[int] = field(default_factory=list)
    """For each value of the trace the number of a frame: the first of the pair or run that was compared; for appearance
    the second. The other is the next, or the one before, among the frames that the profile looks at."""
    trace: list[float | None] = field(default_factory=list)
    """The error or inconsistency of each step; None where too few pixels could be compared."""
    error: str | None = None


def score_of_pairs(trace: list[Tensor], frame_indices: list[int], how: Pool) -> Score:
    """The score of a trace over pairs."""
    values: list[float] = torch.cat(trace).tolist() if trace else []
    counts = {"pairs": float(len(values)), "pairs_compared": float(sum(not math.isnan(value) for value in values))}
    return score_of(values, frame_indices, pool(values, how), counts)


def score_of(trace: list[float], frames: list[int], value: float | None, components: dict[str, float]) -> Score:
    """The score, or the reason why there is none; what is not a number becomes None."""
    known = [each if math.isfinite(each) else None for each in trace]
    error = None
    if value is None:
        error = "no pair of frames has enough visible pixels to compare" if trace else NO_PAIR
    elif not math.isfinite(value):
        value, error = None, "the score is not finite"
    return Score(value=value, components=components, frames=frames, trace=known, error=error)
