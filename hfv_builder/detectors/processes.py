"""The processes of a training: one, or those that `accelerate launch` started, with one GPU per process."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from hfv_builder.records import UsageError

PATIENCE = timedelta(days=7)
"""Time for which a process waits for others, such as for the one that computes features."""


def are_many() -> bool:
    """Return whether this process is one of several. Imports nothing."""
    return int(os.environ.get("WORLD_SIZE") or 1) > 1


def is_main() -> bool:
    """Return whether this process is the one that writes and reports. Imports nothing."""
    return not are_many() or int(os.environ.get("RANK") or 0) == 0


class Processes:
    """All processes of the training. Every one calls the same methods in the same order."""

    def __init__(self, device: str) -> None:
        """Join the others, and choose the GPU of this process as the current one.

        Args:
            device: cpu or cuda, the same whenever a process makes one.

        Raises:
            UsageError: the others cannot be joined.
        """
        self.count, self.index = 1, 0
        self._state: Any = None
        if are_many():
            from accelerate import PartialState

            self._state = PartialState(cpu=device.startswith("cpu"), timeout=PATIENCE)
            self.count, self.index = int(self._state.num_processes), int(self._state.process_index)
            if self.count == 1:
                raise UsageError(
                    f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but there is no other process to join on {device}: "
                    "start them with `accelerate launch` or `torchrun`, or unset WORLD_SIZE"
                )

    @property
    def is_main(self) -> bool:
        """Whether this process writes files."""
        return self.index == 0

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their sums over the processes; a missing gradient counts as zeros."""
        if self.count > 1:
            for parameter in parameters:
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = self._reduced(own, "sum")

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace floating tensors by their means over the processes, in place."""
        if self.count > 1:
            for tensor in tensors:
                if tensor.is_floating_point():
                    tensor.copy_(self._reduced(tensor, "mean"))

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over the processes."""
        return self._reduced(tensor, "sum") if self.count > 1 else tensor

    def agreed(self, value: float, device: torch.device) -> float:
        """Return the main process's value."""
        if self.count == 1:
            return value
        own = value if self.is_main else 0.0
        return float(self._reduced(torch.tensor(own, dtype=torch.float64, device=device), "sum"))

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            self._state.wait_for_everyone()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Run the block in the main process, then in the others, which can read the files that it wrote."""
        if not self.is_main:
            self.wait()
        try:
            yield
        finally:
            if self.is_main:
                self.wait()

    @staticmethod
    def _reduced(tensor: Tensor, how: str) -> Tensor:
        from accelerate.utils import reduce

        with torch.no_grad():
            reduced: Tensor = reduce(tensor, reduction=how)
        return reduced
