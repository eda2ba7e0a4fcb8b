"""The schedule of a training: paces of the learning rate, and the rate and weight decay of each parameter."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from hfv_builder.detectors.base import Curve

Pace = Callable[[float, int, Curve], float]
"""A function that returns the share of the highest learning rate. Its arguments are the epochs done (with fractions for
steps), the number of epochs, and the curve of the complete epochs. It depends on nothing else, so that a resumed
training has the same rates."""
Precision = Literal["fp32", "fp16", "bf16"]
FACTOR = 0.1
"""Of the learning rate at each step down."""
PATIENCE = 5
"""Epochs without a better validation accuracy after which the learning rate steps down on a plateau."""
LEAST = 1e-6
"""The learning rate below which a training that steps down on plateaus ends."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The learning rate and weight decay of one parameter."""

    scale: float = 1.0
    """Its learning rate as a share of that of the schedule."""
    decays: bool = True
    """Whether weight decay applies."""


def cosine(*, warmup: float = 1.0) -> Pace:
    """Return a pace that grows linearly over the first `warmup` epochs and falls as a cosine over the others."""

    def pace(done: float, epochs: int, curve: Curve) -> float:
        if done < warmup:
            return done / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / max(epochs - warmup, 1e-9))))

    return pace


def steps(epochs: Sequence[float]) -> Pace:
    """Return a pace that is multiplied by `FACTOR` once each of these epochs is done."""

    def pace(done: float, count: int, curve: Curve) -> float:
        return float(FACTOR ** sum(done > epoch for epoch in epochs))

    return pace


def plateau(*, patience: int = PATIENCE) -> Pace:
    """Return a pace that is multiplied by `FACTOR` after every `patience` epochs without a better accuracy.

    It does not change without validation clips, whose accuracy would be NaN.
    """

    def pace(done: float, epochs: int, curve: Curve) -> float:
        best, idle, value = -math.inf, 0, 1.0
        for row in curve:
            idle = idle + 1 if row["val_accuracy"] <= best else 0
            best = max(best, row["val_accuracy"])
            if idle == patience:
                idle, value = 0, value * FACTOR
        return value

    return pace


DEFAULT_PACE = cosine()


def all_alike(name: str, parameter: nn.Parameter) -> Tuning:
    """Return the same tuning for every parameter."""
    return Tuning()


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The length and the learning rates of a training."""

    epochs: int
    rate: float
    """The highest learning rate."""
    weight_decay: float
    patience: int
    """Epochs without a better validation accuracy after which training ends."""
    seed: int
    pace: Pace = DEFAULT_PACE
    tuning: Callable[[str, nn.Parameter], Tuning] = all_alike
    """A function from the name of a parameter and the parameter to its tuning."""
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW
    """Called with the groups of parameters and `lr`; bind other values with `functools.partial`."""
    least: float = 0.0
    """Training ends before an epoch whose learning rate is below this."""
    batches_per_step: int = 1
    """Batches whose mean gradient makes a step. They are divided among the processes of a training, so that the result
    depends on the number of processes only by the rounding of sums."""
    precision: Precision = "fp32"
    state_seconds: float = 300.0
    """Seconds of training after which the state is written inside an epoch; a kill loses at most this time."""

    def groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return the groups of parameters for the optimizer: those that require gradients, by equal tuning.

        Each group has `params`, `weight_decay` and `scale`.
        """
        groups: dict[Tuning, list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(self.tuning(name, parameter), []).append(parameter)
        return [
            {"params": own, "weight_decay": self.weight_decay if tuning.decays else 0.0, "scale": tuning.scale}
            for tuning, own in groups.items()
        ]

    def rate_at(self, done: float, curve: Curve) -> float:
        """Return the learning rate after `done` epochs."""
        return self.rate * self.pace(done, self.epochs, curve)

    def has_ended(self, curve: Curve) -> bool:
        """Return whether training has ended: all epochs done, accuracy no longer better, or rate too low."""
        idle = len(curve) - best_epoch(curve) if curve else 0
        too_slow = self.least > 0 and self.rate_at(float(len(curve) + 1), curve) < self.least
        return len(curve) >= self.epochs or idle >= self.patience or too_slow


def best_epoch(curve: Curve) -> int:
    """Return the first epoch with the best validation accuracy; without validation accuracy the last epoch."""
    values = [row["val_accuracy"] for row in curve]
    return len(values) if np.isnan(values).any() else int(np.argmax(values)) + 1
