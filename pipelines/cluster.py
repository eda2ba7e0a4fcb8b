"""Workers: a local Dask cluster sized to this machine, or a scheduler that runs elsewhere, and work sent to it."""

import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hfv_builder.records import UsageError

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 2
"""Shards sent ahead for each worker, so that none waits for the driver."""
TRIES = 3
"""Times that a single item may lose its worker before it is given up: once can be another item's doing."""


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T, R]):
    """A shard that came back with a result, or an item that killed its worker."""

    items: list[T]
    result: R | None = None
    error: str | None = None


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where a stage's tasks run: a client that is there already, a scheduler, or workers of its own."""

    workers: int | None = None
    """Local processes; None takes one for each core."""
    scheduler: str | None = None
    """The address of a scheduler to use instead, such as `tcp://10.0.0.1:8786`."""
    client: Any = None
    """A `distributed.Client` to use instead of both."""

    @contextlib.contextmanager
    def connect(self) -> Iterator[Any]:
        """A client with workers behind it; those started here are stopped at the end."""
        if self.client is not None:
            yield self.client
        else:
            with connect(self.workers, self.scheduler) as client:
                yield client


@contextlib.contextmanager
def connect(workers: int | None = None, scheduler: str | None = None) -> Iterator[Any]:
    """A `distributed.Client` with workers behind it; they are stopped at the end if they were started here.

    Args:
        workers: local processes; None takes one for each core. Each works on one thread, so that workers × threads
            never exceeds the cores and no sum depends on how many there are.
        scheduler: the address of a scheduler to use instead, such as `tcp://10.0.0.1:8786`.

    Raises:
        UsageError: no scheduler answers at that address.
    """
    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.comm.timeouts.connect": "10s"})
    if scheduler:
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from None
        with client:
            yield client
        return
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        LocalCluster(
            n_workers=workers or cores(),
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def run_shards(client: Any, work: Callable[[list[T]], R], shards: Iterable[list[T]]) -> Iterator[Done[T, R]]:
    """Do the work on every shard, a bounded number at a time, and hand over what comes back as it comes.

    A shard that loses its worker (crashed, out of memory) is halved until the items that do it stand alone; such
    an item is given up after a few tries. An exception in `work` itself is a fault of ours and is raised.
    """
    from distributed import KilledWorker, wait

    waiting = iter(shards)
    again: deque[tuple[list[T], int]] = deque()
    flying: dict[Any, tuple[list[T], int]] = {}
    while True:
        room = IN_FLIGHT * max(1, len(client.nthreads())) - len(flying)
        for _ in range(room):
            items, tries = again.popleft() if again else (next(waiting, []), 0)
            if not items:
                break
            flying[client.submit(work, items, pure=False, retries=0)] = (items, tries)
        if not flying:
            return
        finished = wait(list(flying), return_when="FIRST_COMPLETED").done
        for future in finished:
            items, tries = flying.pop(future)
            if future.status == "finished":
                yield Done(items=items, result=future.result())
                continue
            error = future.exception()
            if not isinstance(error, KilledWorker):
                raise error
            if len(items) > 1:
                half = len(items) // 2
                again.extend([(items[:half], 0), (items[half:], 0)])
            elif tries + 1 < TRIES:
                again.append((items, tries + 1))
            else:
                yield Done(items=items, error="it killed its worker (a crash, or out of memory)")
