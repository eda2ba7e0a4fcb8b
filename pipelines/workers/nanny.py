"""Dask's nannies: the processes that replace a worker when it dies."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

POLL_S = 0.02
"""How often a nanny is asked whether it watches its worker."""
PATIENCE_S = 30.0
"""How long a worker waits for its nanny before it begins without one."""

_watched = False
"""Whether this worker process is known to be watched."""


def in_watched_worker(work: Callable[[list[T]], R], items: list[T]) -> R:
    """Do the work once this worker's nanny is ready to replace it.

    A worker takes tasks before its nanny has noted that it is up. Were it killed in between, the nanny would give up
    ("nanny-start-failed") and no worker would follow. A worker without a nanny begins at once.
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
        with contextlib.suppress(OSError, TimeoutError):  # a nanny that is gone replaces nobody; the work can be done
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
    """Whether the nanny, which is what Dask passes here, has a worker that is up."""
    from distributed import Status

    return dask_worker.process is not None and dask_worker.process.status is Status.running
