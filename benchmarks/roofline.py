"""The limits of a device, the work of a function on it, and the operations that take the most time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

SECONDS = 1.0
"""Seconds of runs that are averaged."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """The measured limits of a device."""

    name: str
    flops: float
    """FLOP/s of a large matrix product in the precision of the models."""
    bandwidth: float
    """Bytes/s of a large copy, read and written."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work of a function on the device."""

    flop: int
    moved: int
    """Bytes that the single operations read and write, as without fusing."""


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the bytes of the tensors that operations read and write. Views move no bytes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it."""
        result = func(*args, **(kwargs or {}))
        inputs, outputs = _tensors((args, kwargs)), _tensors(result)
        shared = {tensor.untyped_storage().data_ptr() for tensor in inputs}
        is_view = all(tensor.untyped_storage().data_ptr() in shared for tensor in outputs)
        if not is_view or func.__name__.split(".")[0].endswith("_"):
            self.moved += sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, *outputs))
        return result


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def work_of(run: Callable[[], Any]) -> Work:
    """Count the work of one call."""
    with FlopCounterMode(display=False) as counter:
        run()
    with Traffic() as traffic:
        run()
    torch._dynamo.reset()  # a function that has run under a mode would never be compiled
    return Work(flop=counter.get_total_flops(), moved=traffic.moved)


def measure_device(device: str, side: int) -> Device:
    """Measure the limits with matrices of this side, and a copy of 64 of them."""
    dtype = torch.float16 if device == "cuda" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    flops = 2 * side**3 / seconds(lambda: a @ b, device)
    source = torch.randn(16, side, side, device=device, dtype=dtype)
    target = torch.empty_like(source)
    bandwidth = 2 * source.nbytes / seconds(lambda: target.copy_(source), device)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return Device(name=name, flops=flops, bandwidth=bandwidth)


def seconds(run: Callable[[], Any], device: str, *, at_least: float = SECONDS) -> float:
    """Return the seconds that a run takes, the mean over `at_least` seconds of them after a warm-up."""
    run()
    wait(device)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < at_least:
        run()
        wait(device)
        count += 1
    return (time.perf_counter() - start) / count


def shares(run: Callable[[], Any], device: str, *, most: int = 6) -> str:
    """Return the operations that take most of the device's time, with their shares."""
    activity = torch.profiler.ProfilerActivity
    activities = [activity.CPU, activity.CUDA] if device == "cuda" else [activity.CPU]
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        run()
        wait(device)
    name = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    spent = {event.key: getattr(event, name) for event in profiler.key_averages() if event.key.startswith("aten::")}
    total = sum(spent.values())
    longest = sorted(spent, key=lambda key: -spent[key])[:most]
    return ", ".join(f"{key.removeprefix('aten::')} {100 * spent[key] / total:.0f} %" for key in longest)


def busy_seconds(profiler: Any) -> float:
    """Return the seconds in which at least one kernel or copy ran on the GPU."""
    ranges = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type.name == "CUDA"
    )
    total, end = 0.0, float("-inf")
    for start, stop in ranges:
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total / 1e6


def wait(device: str) -> None:
    """Wait until the device has finished all operations."""
    if device == "cuda":
        torch.cuda.synchronize()
