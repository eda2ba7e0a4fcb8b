"""Tasks that kill their worker, in a module of their own so that a new worker has little to import."""

import os
import time
from importlib import import_module
from typing import Any

from distributed import WorkerPlugin

from pipelines.workers.deadline import deadline


def add(items: list[int], *, deadly: int, after_s: float = 0) -> int:
    """Return the sum of the items; the deadly item ends the process after some time."""
    if deadly in items:
        time.sleep(after_s)
        os._exit(1)
    return sum(items)


def hang(items: list[int], *, forever: int, deadline_s: float) -> int:
    """Return the sum of the items; the item `forever` hangs until its deadline."""
    with deadline(deadline_s) as begin:
        for item in items:
            begin()
            while item == forever:
                time.sleep(60)
    return sum(items)


class DeadlyDecoder(WorkerPlugin):
    """Replace the decoder: `exit.mp4` ends the process, `hang.mp4` hangs, and `lost.mp4` loses the GPU."""

    def setup(self, worker: Any) -> None:
        """Replace the decoder in every worker, also in restarted ones."""
        from hfv_builder.frames import video

        valid = video.decode

        def decode(path: Any, **options: Any) -> Any:
            if path.name == "exit.mp4":
                os._exit(1)
            while path.name == "hang.mp4":
                time.sleep(60)
            if path.name == "lost.mp4":
                import torch

                raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
            yield from valid(path, **options)

        video.decode = decode


class DeadlyFiles(WorkerPlugin):
    """Replace reading: `probe.mp4` ends the process that probes it, `read.mp4` the process that opens it."""

    def setup(self, worker: Any) -> None:
        """Replace the functions in every worker, also in restarted ones."""
        catalog: Any = import_module("pipelines.catalog.worker")
        probe, local_copy = catalog.probe, catalog.local_copy

        def deadly_probe(path: Any) -> Any:
            return os._exit(1) if path.name == "probe.mp4" else probe(path)

        def deadly_copy(path: Any) -> Any:
            return os._exit(1) if path.name == "read.mp4" else local_copy(path)

        catalog.probe, catalog.local_copy = deadly_probe, deadly_copy


def environment(name: str) -> str | None:
    """Return a variable of the environment of the worker."""
    return os.environ.get(name)


def allow_failures(count: int, dask_scheduler: Any) -> None:
    """Let the scheduler retry a task `count` times after its worker died."""
    dask_scheduler.allowed_failures = count


def hoard(items: list[int], *, hungry: set[int]) -> int:
    """Return the sum of the items; a hungry item takes 400 MB and keeps them until the process is killed."""
    memory = [b"\1" * (400 << 20) for item in items if item in hungry]
    if memory:
        time.sleep(60)
    return sum(items)
