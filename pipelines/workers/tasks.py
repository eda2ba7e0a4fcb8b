"""The tasks of a command on workers that may outlive it: their names, and the wait until none is left."""

import hashlib
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from hfv_builder.storage.places import Place
from pipelines.workers.nanny import in_watched_worker

POLL_S = 0.02
"""Seconds between two questions whether the last tasks have ended."""
TELL_S = 2.0
"""Seconds of waiting for tasks after which a line is printed."""
ANSWER_S = 60
"""Seconds that workers may take to answer before a line is printed."""


def name_of(lock: tuple[Place, str] | None) -> str:
    """Return how the keys of all tasks begin that are sent under a lock, by whichever command.

    Args:
        lock: its folder and name; None gives a name that no other task has.
    """
    folder, name = lock or ("", uuid.uuid4().hex)
    scope = f"{os.path.realpath(folder) if isinstance(folder, Path) else folder}/{name}"
    return f"{in_watched_worker.__name__}-{hashlib.sha256(os.fsencode(scope)).hexdigest()[:32]}"


def wait_for_the_end(client: Any, name: str) -> None:
    """Wait until no worker runs a task whose key begins with this name, and the scheduler will start none.

    A worker cannot stop a task that nobody waits for any more: one whose driver was killed or interrupted, or one that
    Dask repeats because the worker that held the result died just before the driver released it. Such a task goes on to
    write rows or files while another command writes them, or after it has ended.
    """
    begun, told = time.monotonic(), False
    while True:
        try:
            if not client.run_on_scheduler(_known, name) and not any(_on_workers(client, _running, name)):
                return
        except TimeoutError:
            print(f"workers at {client.scheduler.address} do not answer; waiting for them", file=sys.stderr)
        if not told and time.monotonic() - begun >= TELL_S:
            told = True
            print("workers still run tasks of a command that has ended; waiting for these", file=sys.stderr)
        time.sleep(POLL_S)


def _on_workers(client: Any, function: Any, *arguments: Any) -> list[Any]:
    """Return the results of a function on all workers that can run it; `Client.run` has no time limit."""
    results = client.sync(client._run, function, *arguments, on_error="ignore", callback_timeout=ANSWER_S)
    return [*results.values()]


def _known(name: str, dask_scheduler: Any) -> bool:
    """Return whether the scheduler knows such a task; Dask passes the scheduler as `dask_scheduler`."""
    return any(str(key).startswith(name) for key in dask_scheduler.tasks)


def _running(name: str, dask_worker: Any) -> bool:
    """Return whether a worker runs such a task; Dask passes the worker as `dask_worker`."""
    return any(str(key).startswith(name) for key in [*dask_worker.active_threads.values()])
