"""Tasks that kill their worker, in a module of their own so that a new worker has little to import."""

import os
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
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


def noted(items: list[int], *, held: int, folder: Path) -> int:
    """Return the id of the process and note the run in the folder; a held item waits for the file `let-go` there."""
    (item,) = items
    (folder / f"{item}-{len([*folder.glob(f'{item}-*.run')])}.run").touch()
    while item == held and not (folder / "let-go").exists():
        time.sleep(0.01)
    return os.getpid()


def slow_again(items: list[int], *, folder: Path) -> int:
    """Return the id of the process and note the begin and the end of each run in the folder; only the first is fast."""
    number = len([*folder.glob("begun-*")])
    (folder / f"begun-{number}").touch()
    time.sleep(min(number, 1) * 0.5)
    (folder / f"ended-{number}").touch()
    return os.getpid()


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


def resident_bytes() -> int:
    """Return the bytes of memory that this process takes."""
    return int(psutil.Process().memory_info().rss)
