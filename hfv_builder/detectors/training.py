"""Train a network by epochs. A killed training resumes at its step and ends with the same weights."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from hfv_builder.backends.precision import autocast
from hfv_builder.detectors.ahead import ahead
from hfv_builder.detectors.base import Curve, Fitting
from hfv_builder.detectors.processes import Processes
from hfv_builder.detectors.schedule import Schedule, best_epoch
from hfv_builder.detectors.training_state import TrainingState
from hfv_builder.records import UsageError

B = TypeVar("B")
L = TypeVar("L")
LOADS, LOSSES = 1, 2
"""Last words of seeds. Without them the first batch would have the seed of its epoch, since numpy pads with zeros."""

LEAST_SCALE = 1e-4
"""Of losses in fp16, which begins at 65,536 and is halved by a step whose gradients are not finite."""


class Diverged(UsageError):
    """A training has diverged."""


@dataclass(frozen=True, kw_only=True)
class Task(Generic[B, L]):
    """The task of a network: its batches, its loss and its validation."""

    batches: Callable[[np.random.Generator], Sequence[B]]
    """Returns the batches of an epoch, such as places of clips, whatever `load` takes."""
    load: Callable[[B, np.random.Generator], L]
    """Reads and augments a batch. Called in threads, ahead of the device, with a random generator for this batch
    only."""
    loss: Callable[[L], Tensor]
    """Returns the loss of a loaded batch, a scalar. The random numbers of torch are also seeded per batch."""
    validate: Callable[[], float]
    """Returns the validation accuracy in [0, 1]; NaN without validation clips, and the last epoch is then kept."""


def train_network(
    network: nn.Module, task: Task[Any, Any], schedule: Schedule, fitting: Fitting, *, threads: int = 2
) -> Curve:
    """Train the parameters that require gradients, keep those of the best epoch, and return the learning curve.

    The state is in `fitting.folder` after every epoch and every `schedule.state_seconds`. All random numbers depend on
    seed, epoch and batch, and not on threads, processes, or the step at which a training was killed.

    Args:
        network: trained in place; ends with the weights of the first epoch with the best validation accuracy.
        task: the batches, the loss and the validation.
        schedule: the length and the learning rates.
        fitting: the folder, and the function to call after every epoch.
        threads: batches that are loaded at the same time.

    Raises:
        UsageError: the processes cannot share the batches of a step.
        Diverged: after an epoch a weight or every loss is not finite.
    """
    return _Training(network, task, schedule, fitting, threads).run()


class _Training:
    def __init__(
        self, network: nn.Module, task: Task[Any, Any], schedule: Schedule, fitting: Fitting, threads: int
    ) -> None:
        self._network, self._task, self._schedule = network, task, schedule
        self._fitting, self._threads = fitting, threads
        self._device = next(network.parameters()).device
        self._processes = Processes(self._device.type)
        if schedule.batches_per_step % self._processes.count:
            raise UsageError(
                f"{self._processes.count} processes cannot share {schedule.batches_per_step} batches of a step: start "
                f"one process, or set batches_per_step to a multiple of {self._processes.count}, if the detector has it"
            )
        self._optimizer = schedule.optimizer(schedule.groups(network), lr=schedule.rate)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=schedule.precision == "fp16")
        self._state = TrainingState(fitting.folder, network, self._optimizer, self._scaler)
        self._written = time.monotonic()

    def run(self) -> Curve:
        curve, losses = self._state.read()
        while not self._schedule.has_ended(curve):
            epoch = len(curve) + 1
            losses = self._epoch(epoch, curve, losses)
            self._processes.average(self._state.buffers.values())
            finite = [loss for loss in losses if math.isfinite(loss)]  # fp16 skips a step whose gradients are not
            if not finite or self._has_diverged():
                higher = "" if self._schedule.precision == "fp32" else " or precision=fp32"
                raise Diverged(f"training diverged in epoch {epoch}: give a lower rate{higher}, and another --out")
            self._network.eval()
            accuracy = self._processes.agreed(self._task.validate(), self._device)
            curve.append({"epoch": float(epoch), "loss": float(np.mean(finite)), "val_accuracy": accuracy})
            losses = []
            if self._processes.is_main:
                if best_epoch(curve) == epoch:
                    self._state.write_best(epoch)
                self._write(curve, losses)
                self._state.remove_other_bests(best_epoch(curve))
                self._fitting.report(curve, self._schedule.epochs)
            self._processes.wait()
        if curve:
            self._state.read_best(best_epoch(curve))
        self._processes.wait()  # the main process may now delete the files
        self._network.eval()
        return curve

    def _has_diverged(self) -> bool:
        """Return whether a weight is not finite, or fp16 has skipped so many steps that nothing is learnt."""
        return not all(bool(tensor.isfinite().all()) for tensor in self._state.tensors.values()) or (
            self._scaler.is_enabled() and self._scaler.get_scale() < LEAST_SCALE
        )

    def _epoch(self, epoch: int, curve: Curve, losses: list[float]) -> list[float]:
        """Run the steps of an epoch that are not in `losses` yet, and return the losses of all."""
        self._network.train()
        losses = [*losses]
        seed = self._schedule.seed
        batches = self._task.batches(np.random.default_rng([seed, epoch]))
        share = self._schedule.batches_per_step
        starts = range(0, len(batches), share)
        rest = starts[len(losses) :]
        mine = [
            place
            for start in rest
            for place in range(start, min(start + share, len(batches)))
            if place % self._processes.count == self._processes.index
        ]

        def load(place: int) -> Any:
            return self._task.load(batches[place], np.random.default_rng([seed, epoch, place, LOADS]))

        with ThreadPoolExecutor(self._threads) as pool:
            loaded = zip(mine, ahead(pool, load, mine, 2 * self._threads), strict=True)
            for start in rest:
                end = min(start + share, len(batches))
                done = epoch - 1 + (len(losses) + 1) / len(starts)
                for group in self._optimizer.param_groups:
                    group["lr"] = group["scale"] * self._schedule.rate_at(done, curve)
                own = sum(place % self._processes.count == self._processes.index for place in range(start, end))
                losses.append(self._step(epoch, [next(loaded) for _ in range(own)], end - start))
                if (
                    self._processes.is_main
                    and end < len(batches)
                    and time.monotonic() - self._written >= self._schedule.state_seconds
                ):
                    self._write(curve, losses)
        return losses

    def _step(self, epoch: int, loaded: Sequence[tuple[int, Any]], count: int) -> float:
        """Make a step with the batches of this process, each weighted by 1 / `count`; return the loss of all."""
        self._optimizer.zero_grad()
        total = torch.zeros((), device=self._device)
        for place, batch in loaded:
            self._seed(int(np.random.default_rng([self._schedule.seed, epoch, place, LOSSES]).integers(2**31)))
            with autocast(self._schedule.precision, str(self._device)):
                loss = self._task.loss(batch) / count
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self._processes.add_gradients(self._state.learnt.values())
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return float(self._processes.sum(total))

    def _seed(self, seed: int) -> None:
        # `torch.manual_seed` also formats the stack for each kind of device that is not used: milliseconds a batch.
        if self._device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def _write(self, curve: Curve, losses: list[float]) -> None:
        self._state.write(curve, losses)
        self._written = time.monotonic()
