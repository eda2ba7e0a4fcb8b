"""Wait for Dask's nannies, the processes that restart a worker when it dies."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

POLL_S = 0.02
"""Seconds between two requests to a nanny."""
PATIENCE_S = 30.0
"""Seconds that a worker waits for its nanny before it starts without it."""

_watched = False
"""Whether the nanny of this worker process is known to be ready."""


def in_watched_worker(work: Callable[[list[T]], R], items: list[T]) -> R:
    """Return `work(items)`, computed once this worker's nanny is ready to restart it.

    A worker accepts tasks before its nanny has recorded that it is running. If it were killed in between, the nanny
    would give up ("nanny-start-failed") and not restart it. A worker without a nanny starts at once.
    """
    global _watched
    if not _watched:
        _wait_for_nanny()
        _watched = True
    return work(items)


def _wait_for_nanny() -> None:
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()
    if worker.nanny:
        with contextlib.suppress(OSError, TimeoutError):  # the work does not need the nanny
            sync(worker.loop, _until_ready, worker, callback_timeout=PATIENCE_S)


async def _until_ready(worker: Any) -> None:
    import asyncio

    from distributed.protocol.pickle import dumps

    until = time.monotonic() + PATIENCE_S
    async with worker.rpc(worker.nanny) as nanny:
        while time.monotonic() < until:
            reply = await nanny.run(function=dumps(_is_ready))
            if reply["status"] == "OK" and reply["result"]:
                return
            await asyncio.sleep(POLL_S)


def _is_ready(dask_worker: Any) -> bool:
    """Return whether the worker of a nanny is running; Dask passes the nanny as `dask_worker`."""
    from distributed import Status

    return dask_worker.process is not None and dask_worker.process.status is Status.running
