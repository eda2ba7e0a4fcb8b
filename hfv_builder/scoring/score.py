"""The score of a clip on one metric, with the trace from which it is pooled."""

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
    """The score of one clip on one metric."""

    value: float | None = None
    """Higher is more anomalous; None if there is no score, for the reason in `error`."""
    components: dict[str, float] = field(default_factory=dict)
    """The quantities from which the value is computed, by name."""
    frames: list[int] = field(default_factory=list)
    """For each value of the trace the index of a frame in the clip: the first of the compared pair or run, for
    appearance the second. The other frames are its neighbours among the frames that the profile compares."""
    trace: list[float | None] = field(default_factory=list)
    """The error or inconsistency of each step; None for a step with too few pixels to compare."""
    error: str | None = None


def score_of_pairs(trace: list[Tensor], frame_indices: list[int], how: Pool) -> Score:
    """Return the score of a trace over pairs, pooled.

    Args:
        trace: parts of the trace, (k,) float64; NaN marks a pair without a value.
        frame_indices: the index of each pair's first frame.
        how: the pooling.
    """
    values: list[float] = torch.cat(trace).tolist() if trace else []
    counts = {"pairs": float(len(values)), "pairs_compared": float(sum(not math.isnan(value) for value in values))}
    return score_of(values, frame_indices, pool(values, how), counts)


def score_of(trace: list[float], frames: list[int], value: float | None, components: dict[str, float]) -> Score:
    """Return the score; a value that is None or not finite becomes an error, a trace value that is not becomes None."""
    known = [step if math.isfinite(step) else None for step in trace]
    error = None
    if value is None:
        error = "no pair of frames has enough visible pixels to compare" if trace else NO_PAIR
    elif not math.isfinite(value):
        value, error = None, "the score is not finite"
    return Score(value=value, components=components, frames=frames, trace=known, error=error)
