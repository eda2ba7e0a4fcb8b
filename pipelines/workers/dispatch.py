"""Work sent to workers in shards, a bounded number at a time, whatever becomes of the workers."""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from hfv_builder.records import UsageError
from pipelines.workers.cluster import offered
from pipelines.workers.nanny import in_watched_worker
from pipelines.workers.shortage import Shortage

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 2
"""Shards sent ahead for each worker, so that none waits for the driver."""
LOOK_S = 2.0
"""How often the workers are counted."""
SILENCE_S = 60
"""After so long without a result it is said if there is no worker at all."""


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T, R]):
    """A shard that came back with a result, or an item that killed its worker."""

    items: list[T]
    result: R | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Sent(Generic[T]):
    """A shard, or a part of one."""

    items: list[T]
    died: bool = False
    """Whether a worker died of it, or beside it, when it was a single item already."""


def run_shards(
    client: Any,
    work: Callable[[list[T]], R],
    shards: Iterable[list[T]],
    *,
    resources: dict[str, float] | None = None,
    wait_s: float | None = None,
    proven: bool = False,
) -> Iterator[Done[T, R]]:
    """Do the work on every shard, a bounded number at a time, and hand over what comes back as it comes.

    A shard whose worker dies (a crash, out of memory, past a deadline) is halved until single items are left. One that
    dies is tried again, for workers also die of other causes, and if it dies again it is under suspicion. Suspects run
    at the end with nothing beside them, so that no item pays for another's doing; one that kills its worker there too
    comes back with an error. An exception in `work` itself is a fault of ours and is raised. Deaths for want of memory
    are the items' doing only once a shard has come back: until then they are the run's.

    Args:
        resources: what a worker must offer to get a shard, as Dask names it: `{"GPU": 1}`.
        wait_s: how long to wait while there is no worker at all; None waits for ever.
        proven: such work was done before with as little memory, so that items answer for their deaths from the start.

    Raises:
        UsageError: the scheduler has gone, there was no worker for `wait_s` seconds, or the workers have too little
            memory to do anything.
    """
    from distributed import KilledWorker

    scheduler_there = partial(_scheduler_there, client, client.scheduler.address)
    waiting = iter(shards)
    halves: deque[_Sent[T]] = deque()
    suspects: deque[_Sent[T]] = deque()
    flying: dict[Any, _Sent[T]] = {}
    starved: list[Done[T, R]] = []  # items that died alone when nothing was done yet
    with scheduler_there():
        shortage = Shortage(client)

    def next_shard() -> _Sent[T] | None:
        if halves:
            return halves.popleft()
        items = next(waiting, None)
        return _Sent(items) if items else None

    def send(shard: _Sent[T]) -> None:
        with scheduler_there():
            flying[client.submit(in_watched_worker, work, shard.items, pure=False, resources=resources)] = shard

    window, counted = 0, -LOOK_S
    while True:
        if time.monotonic() - counted >= LOOK_S:
            with scheduler_there():
                window, counted = IN_FLIGHT * max(1, sum(client.nthreads().values())), time.monotonic()
        while len(flying) < window and (shard := next_shard()):
            send(shard)
        alone = not flying
        if alone:
            if not suspects:
                if starved and not proven:
                    raise shortage.error()
                yield from starved
                return
            send(suspects.popleft())
        with scheduler_there():
            finished = _finished(client, list(flying), resources or {}, wait_s)
        for future in finished:
            shard = flying.pop(future)
            items = shard.items
            try:
                # A result can be lost with its worker and be made again here, so this too can meet a dying worker.
                with scheduler_there():
                    result = future.result()
            except KilledWorker:
                with scheduler_there():
                    if not proven and shortage.is_certain():
                        raise shortage.error() from None
                if len(items) > 1:
                    halves.extend([_Sent(items[: len(items) // 2]), _Sent(items[len(items) // 2 :])])
                elif alone:
                    done = Done[T, R](items=items, error="it killed its worker (a crash, or out of memory)")
                    if proven or not shortage.deaths():
                        yield done
                    else:
                        starved.append(done)
                elif shard.died:
                    suspects.append(shard)
                else:
                    halves.append(_Sent(items, died=True))
            else:
                proven = True
                yield Done(items=items, result=result)


def _finished(client: Any, futures: list[Any], resources: dict[str, float], wait_s: float | None) -> Iterable[Any]:
    """Wait for at least one future and return the finished ones. Report how long no worker has been available.

    Raises:
        UsageError: no worker was available for `wait_s` seconds.
    """
    from distributed import wait

    last_seen = time.monotonic()
    while True:
        with contextlib.suppress(TimeoutError):
            ended: Iterable[Any] = wait(futures, SILENCE_S, "FIRST_COMPLETED").done  # type: ignore[no-untyped-call]
            return ended
        if offered(client, resources):
            last_seen = time.monotonic()
            continue
        waited = time.monotonic() - last_seen
        kind = f" that offers {', '.join(resources)}" if resources else ""
        missing = f"no worker{kind} is available at {client.scheduler.address}"
        if wait_s is not None and waited >= wait_s:
            raise UsageError(
                f"{missing} for {_spell(waited)}; nothing is lost: start workers and run the same command again"
            )
        print(f"{missing}; waiting for one since {_spell(waited)}", file=sys.stderr)


def _spell(seconds: float) -> str:
    """A duration for a reader: `45 s`, `12 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@contextlib.contextmanager
def _scheduler_there(client: Any, address: str) -> Iterator[None]:
    """Turn what a lost scheduler raises into a sentence."""
    from distributed import CancelledError
    from distributed.client import ClosedClientError
    from distributed.comm.core import CommClosedError

    try:
        yield
    except (AttributeError, RuntimeError, CancelledError, ClosedClientError, CommClosedError) as error:
        gave_up = client.scheduler is None or client.status == "closed"
        if isinstance(error, AttributeError | RuntimeError) and not gave_up:
            raise  # a fault of ours; of a client that gave up, many attributes are None and its event loop is closed
        raise UsageError(
            f"the Dask scheduler at {address} has gone; nothing is lost: start it and run the same command again"
        ) from None
