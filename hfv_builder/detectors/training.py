"""Train a network by epochs, so that a killed training goes on where it was and ends with the same weights."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hfv_builder.detectors.arrays import load_arrays, save_arrays
from hfv_builder.detectors.base import Curve, Fitting

STATE = "state.safetensors"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast."""

    epochs: int
    rate: float
    """The highest learning rate of AdamW; it grows over the first epoch and then falls as a cosine."""
    weight_decay: float
    patience: int
    """Epochs without a better validation accuracy after which training ends."""
    seed: int


def train_network(
    network: nn.Module,
    batches: Callable[[np.random.Generator], Iterator[Callable[[], Tensor]]],
    validate: Callable[[], float],
    schedule: Schedule,
    fitting: Fitting,
) -> Curve:
    """Train the parameters that require gradients, keep those of the best epoch, and return the learning curve.

    The state after every epoch is in `fitting.folder`. Each epoch has random numbers of its own, by seed and epoch.

    Args:
        network: is changed, and ends with the weights of the first epoch that has the best validation accuracy.
        batches: yields, for one epoch, functions that return the loss of a batch.
        validate: returns the validation accuracy in [0, 1]; NaN without validation clips, then the last epoch is kept.
        schedule: how long and how fast.
        fitting: the folder, and what to call after every epoch.
    """
    learnt = {name: value for name, value in network.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(learnt.values(), lr=schedule.rate, weight_decay=schedule.weight_decay)
    best = {name: value.detach().clone() for name, value in learnt.items()}
    curve: Curve = []
    path = fitting.folder / STATE
    if path.is_file():
        curve = _restore(path, learnt, optimizer, best)
    while len(curve) < schedule.epochs and not _ended(curve, schedule.patience):
        epoch = len(curve) + 1
        rng = np.random.default_rng([schedule.seed, epoch])
        torch.manual_seed(int(rng.integers(2**31)))
        steps = [*batches(rng)]
        losses = []
        network.train()
        for step, loss_of in enumerate(steps):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate * _rate(epoch - 1 + (step + 1) / len(steps), schedule.epochs)
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        network.eval()
        accuracy = validate()
        curve.append({"epoch": float(epoch), "loss": float(np.mean(losses)), "val_accuracy": accuracy})
        if _best_epoch(curve) == epoch:
            best = {name: value.detach().clone() for name, value in learnt.items()}
        _keep(path, learnt, optimizer, best, curve)
        fitting.report(curve, schedule.epochs)
    with torch.no_grad():
        for name, value in learnt.items():
            value.copy_(best[name])
    network.eval()
    return curve


def _rate(progress: float, epochs: int) -> float:
    """Return the share of the highest rate after so many epochs: a linear start, then a cosine."""
    return min(1.0, progress) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress / epochs)))


def _best_epoch(curve: Curve) -> int:
    """Return the first epoch with the best validation accuracy; the last without one."""
    values = [row["val_accuracy"] for row in curve]
    return len(values) if np.isnan(values).any() else int(np.argmax(values)) + 1


def _ended(curve: Curve, patience: int) -> bool:
    return bool(curve) and len(curve) - _best_epoch(curve) >= patience


def _keep(
    path: Path, learnt: dict[str, Any], optimizer: torch.optim.Optimizer, best: dict[str, Tensor], curve: Curve
) -> None:
    arrays: dict[str, Tensor] = {}
    for name, value in learnt.items():
        own = optimizer.state[value]
        arrays |= {f"now.{name}": value.detach(), f"best.{name}": best[name]}
        arrays |= {f"adam.{key}.{name}": own[key] for key in ("step", "exp_avg", "exp_avg_sq")}
    numbers = {name: tensor.cpu().numpy() for name, tensor in arrays.items()}
    save_arrays(path, numbers | {"curve": np.array([[*row.values()] for row in curve])})


def _restore(path: Path, learnt: dict[str, Any], optimizer: torch.optim.Optimizer, best: dict[str, Tensor]) -> Curve:
    arrays = load_arrays(path)
    with torch.no_grad():
        for name, value in learnt.items():
            value.copy_(torch.from_numpy(arrays[f"now.{name}"]))
            best[name].copy_(torch.from_numpy(arrays[f"best.{name}"]))
            keys = ("step", "exp_avg", "exp_avg_sq")
            state = {key: torch.from_numpy(arrays[f"adam.{key}.{name}"].copy()) for key in keys}
            optimizer.state[value] = {
                key: tensor if key == "step" else tensor.to(value.device) for key, tensor in state.items()
            }
    return [dict(zip(("epoch", "loss", "val_accuracy"), map(float, row), strict=True)) for row in arrays["curve"]]
