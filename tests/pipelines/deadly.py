"""Work that kills its worker; a module of its own, so that a new worker has little to import."""

import os
import time
from importlib import import_module
from typing import Any

from distributed import WorkerPlugin

from pipelines.workers.deadline import deadline


def add(items: list[int], *, deadly: int, after_s: float = 0) -> int:
    """The sum of the items, unless the deadly one is among them: that takes some time to strike."""
    if deadly in items:
        time.sleep(after_s)
        os._exit(1)
    return sum(items)


def hang(items: list[int], *, forever: int, deadline_s: float) -> int:
    """The sum of the items; the one of this value never comes to an end, but for its deadline."""
    with deadline(deadline_s) as begin:
        for item in items:
            begin()
            while item == forever:
                time.sleep(60)
    return sum(items)


class DeadlyDecoder(WorkerPlugin):
    """Files called `exit.mp4` end the process that decodes them, those called `hang.mp4` never come to an end.

    And with `lost.mp4` the GPU is lost to the process.
    """

    def setup(self, worker: Any) -> None:
        """Put the decoder in place, in every worker and whatever replaces it."""
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
    """Files called `probe.mp4` end the process that looks into them, those called `read.mp4` that which opens them."""

    def setup(self, worker: Any) -> None:
        """Put them in place, in every worker and whatever replaces it."""
        catalog: Any = import_module("pipelines.catalog.worker")
        probe, local_copy = catalog.probe, catalog.local_copy

        def deadly_probe(path: Any) -> Any:
            return os._exit(1) if path.name == "probe.mp4" else probe(path)

        def deadly_copy(path: Any) -> Any:
            return os._exit(1) if path.name == "read.mp4" else local_copy(path)

        catalog.probe, catalog.local_copy = deadly_probe, deadly_copy


def environment(name: str) -> str | None:
    """A variable of the process that this runs in."""
    return os.environ.get(name)


def allow_failures(count: int, dask_scheduler: Any) -> None:
    """Let the scheduler try a task again that many times."""
    dask_scheduler.allowed_failures = count


def hoard(items: list[int], *, hungry: set[int]) -> int:
    """The sum of the items; a hungry one takes 400 MB and keeps them until the process is ended for it."""
    taken = [b"\1" * (400 << 20) for item in items if item in hungry]
    if taken:
        time.sleep(60)
    return sum(items)
