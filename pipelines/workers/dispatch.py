"""Send shards to workers, a bounded number at a time, and retry those whose worker dies."""

import contextlib
import itertools
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from hfv_builder.records import UsageError
from hfv_builder.storage.places import Place
from pipelines.workers.cluster import offered
from pipelines.workers.nanny import in_watched_worker
from pipelines.workers.shortage import Shortage
from pipelines.workers.tasks import name_of, wait_for_the_end

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 2
"""Shards in flight per worker, so that no worker waits for the driver."""
LOOK_S = 2.0
"""Seconds between two counts of the workers."""
SILENCE_S = 60
"""Seconds without a result after which a missing worker is reported."""


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T, R]):
    """A shard with its result, or an item that killed its worker."""

    items: list[T]
    result: R | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Sent(Generic[T]):
    """A shard, or a part of one."""

    items: list[T]
    died: bool = False
    """Whether it is a single item during which a worker has already died."""


def run_shards(
    client: Any,
    work: Callable[[list[T]], R],
    shards: Iterable[list[T]],
    *,
    lock: tuple[Place, str] | None = None,
    resources: dict[str, float] | None = None,
    wait_s: float | None = None,
    proven: bool = False,
) -> Iterator[Done[T, R]]:
    """Run `work` on every shard, a bounded number at a time, and yield results as they complete.

    A shard whose worker dies (a crash, out of memory, past a deadline) is split in half until single items are left. A
    single item is retried once, since a worker may die of other causes, and becomes a suspect if the worker dies again.
    Suspects run at the end, one at a time and with no other task in flight, so that an item cannot fail because of
    another one; one that kills its worker there is yielded with an error. An exception raised by `work` is an internal
    error and propagates. A worker that dies of memory before any shard has completed is blamed on the run, later on the
    item.

    No worker runs a task of an earlier command with the same lock when the first shard is sent, nor one of this command
    when the iterator ends.

    Args:
        client: a `distributed.Client`.
        work: a picklable function of the items of a shard.
        shards: lists of items.
        lock: folder and name of the lock that the caller holds while it writes what the tasks write; None if no other
            command writes it.
        resources: Dask resources that a worker must offer to get a shard, such as `{"GPU": 1}`.
        wait_s: seconds to wait while no worker is available; None waits forever.
        proven: such work has succeeded before with as little memory, so that items are blamed from the start.

    Raises:
        UsageError: the scheduler is gone, no worker was available for `wait_s` seconds, or the workers have too little
            memory for any shard.
    """
    from distributed import KilledWorker

    scheduler_errors = partial(_scheduler_errors, client, client.scheduler.address)
    name, own = name_of(lock), uuid.uuid4().hex
    numbers = itertools.count()
    waiting = iter(shards)
    halves: deque[_Sent[T]] = deque()
    suspects: deque[_Sent[T]] = deque()
    in_flight: dict[Any, _Sent[T]] = {}
    starved: list[Done[T, R]] = []  # items that ran alone and died of memory before any shard completed
    with scheduler_errors():
        wait_for_the_end(client, name)
        shortage = Shortage(client)

    def next_shard() -> _Sent[T] | None:
        if halves:
            return halves.popleft()
        items = next(waiting, None)
        return _Sent(items) if items else None

    def send(shard: _Sent[T]) -> None:
        key = f"{name}-{own}-{next(numbers)}"
        with scheduler_errors():
            in_flight[client.submit(in_watched_worker, work, shard.items, key=key, resources=resources)] = shard

    window, counted = 0, -LOOK_S
    try:
        while True:
            if time.monotonic() - counted >= LOOK_S:
                with scheduler_errors():
                    window, counted = IN_FLIGHT * max(1, sum(client.nthreads().values())), time.monotonic()
            while len(in_flight) < window and (shard := next_shard()):
                send(shard)
            alone = not in_flight
            if alone:
                if not suspects:
                    if starved and not proven:
                        raise shortage.error()
                    with scheduler_errors():
                        wait_for_the_end(client, name)
                    yield from starved
                    return
                send(suspects.popleft())
            with scheduler_errors():
                finished = _finished(client, list(in_flight), resources or {}, wait_s)
            for future in finished:
                shard = in_flight.pop(future)
                items = shard.items
                try:
                    # If the result was lost with its worker, Dask computes it again here, and this worker may die too.
                    with scheduler_errors():
                        try:
                            result = future.result()
                        finally:
                            future.release()  # or Dask computes it again when the worker that holds it dies
                except KilledWorker:
                    with scheduler_errors():
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
    finally:
        for future in in_flight:  # references to them may outlive an error
            future.release()


def _finished(client: Any, futures: list[Any], resources: dict[str, float], wait_s: float | None) -> Iterable[Any]:
    """Wait for at least one future and return the finished ones. Print how long no worker has been available.

    Raises:
        UsageError: no worker was available for `wait_s` seconds.
    """
    from distributed import wait

    last_available = time.monotonic()
    while True:
        with contextlib.suppress(TimeoutError):
            finished: Iterable[Any] = wait(futures, SILENCE_S, "FIRST_COMPLETED").done  # type: ignore[no-untyped-call]
            return finished
        if offered(client, resources):
            last_available = time.monotonic()
            continue
        waited = time.monotonic() - last_available
        kind = f" that offers {', '.join(resources)}" if resources else ""
        missing = f"no worker{kind} is available at {client.scheduler.address}"
        if wait_s is not None and waited >= wait_s:
            raise UsageError(
                f"{missing} for {_spell(waited)}; nothing is lost: start workers and run the same command again"
            )
        print(f"{missing}; waiting for one since {_spell(waited)}", file=sys.stderr)


def _spell(seconds: float) -> str:
    """Return a duration as text, such as `45 s` or `12 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@contextlib.contextmanager
def _scheduler_errors(client: Any, address: str) -> Iterator[None]:
    """Raise a UsageError instead of the exceptions of a lost scheduler."""
    from distributed import CancelledError
    from distributed.client import ClosedClientError
    from distributed.comm.core import CommClosedError

    try:
        yield
    except (AttributeError, RuntimeError, CancelledError, ClosedClientError, CommClosedError) as error:
        gave_up = client.scheduler is None or client.status == "closed"
        if isinstance(error, AttributeError | RuntimeError) and not gave_up:
            raise  # an internal error; a client that gave up raises these since attributes are None and its loop closed
        raise UsageError(
            f"the Dask scheduler at {address} is gone; nothing is lost: start it and run the same command again"
        ) from None
