"""Workers: a local Dask cluster sized to this machine, or a scheduler that runs elsewhere, and work sent to it."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, TypeVar

from hfv_builder.records import UsageError

T = TypeVar("T")
R = TypeVar("R")

IN_FLIGHT = 2
"""Shards sent ahead for each worker, so that none waits for the driver."""
PATIENCE = "10s"
"""How long a scheduler may take to answer."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Memory that one clip gave back is at hand for the next; fetching it from the system page by page costs a third
    # of the time of `lite`. Dask's own default gives it back at once.
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}
"""Of a local worker; what is read as a process starts, so that it must be set before."""


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
    def connect(self, *, imports: Sequence[str] = (), each_a_gpu: bool = False) -> Iterator[Any]:
        """A client with workers behind it; those started here are stopped at the end.

        Args:
            imports: modules that the work is going to need.
            each_a_gpu: start a worker for each GPU, which sees that one alone, instead of one for each core.
        """
        if self.client is not None:
            yield self.client
        else:
            with connect(
                self.workers, self.scheduler, imports=imports, each_a_gpu=gpus() if each_a_gpu else ()
            ) as client:
                yield client


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; found without importing torch."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [gpu for gpu in allowed.split(",") if gpu.strip() not in ("", "-1")]
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*"))
    return [str(number) for number in range(len(found))]


@contextlib.contextmanager
def connect(
    workers: int | None = None,
    scheduler: str | None = None,
    *,
    imports: Sequence[str] = (),
    each_a_gpu: Sequence[str] = (),
) -> Iterator[Any]:
    """A `distributed.Client` with workers behind it; they are stopped at the end if they were started here.

    Args:
        workers: local processes; None takes one for each core. Each works on one thread, so that workers × threads
            never exceeds the cores and no sum depends on how many there are.
        scheduler: the address of a scheduler to use instead, such as `tcp://10.0.0.1:8786`.
        imports: modules that the work is going to need; local workers start with them.
        each_a_gpu: the GPUs to hand out, as CUDA_VISIBLE_DEVICES names them, one to a worker.

    Raises:
        UsageError: no scheduler answers at that address.
    """
    if not scheduler and not each_a_gpu:
        _prepare_forks(imports)
    import dask
    from distributed import Client

    dask.config.set(
        {
            # A lost worker is ours to handle, and no worker holds tasks that another could begin.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.comm.timeouts.connect": PATIENCE,
            "distributed.worker.profile.enabled": False,
            "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
            "distributed.worker.multiprocessing-method": "spawn" if each_a_gpu else FORK,
        }
    )
    if scheduler:
        try:
            client = Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from None
        with client:
            yield client
        return
    if FORK == "forkserver" and not each_a_gpu:
        get_context("forkserver").Process(target=int).start()  # comes back when all is imported there
    with contextlib.ExitStack() as stack:
        pressed: list[int] = []
        with _interrupts(lambda number, _: pressed.append(number)):  # half a cluster cannot be stopped in order
            client = stack.enter_context(Client(stack.enter_context(_local_cluster(workers, each_a_gpu))))
            client.register_plugin(_leave_interrupts_to_the_driver())
        if pressed:
            raise KeyboardInterrupt
        yield client


def _local_cluster(workers: int | None, each_a_gpu: Sequence[str]) -> Any:
    """Worker processes of this machine, each with a nanny that starts it again when it dies."""
    from distributed import Nanny, Scheduler, SpecCluster
    from distributed.system import MEMORY_LIMIT

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    count = min(workers or len(each_a_gpu), len(each_a_gpu)) if each_a_gpu else workers or cores()
    # Set before the worker imports anything: transformers freezes CUDA_VISIBLE_DEVICES when it is imported.
    seen = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in each_a_gpu[:count]] or [{}] * count
    options = {"nthreads": 1, "memory_limit": MEMORY_LIMIT // count, "silence_logs": logging.CRITICAL}
    specification = {number: {"cls": Nanny, "options": {"env": env, **options}} for number, env in enumerate(seen)}
    scheduler_options = {
        "host": "127.0.0.1",
        "port": 0,
        "dashboard_address": "127.0.0.1:0",  # any free port: several clusters may run on one machine
    }
    return SpecCluster(
        workers=specification,
        scheduler={"cls": Scheduler, "options": scheduler_options},
        silence_logs=logging.CRITICAL,
    )


FORK = "forkserver" if sys.platform == "linux" else "spawn"
"""How a local worker without a GPU starts."""


def _prepare_forks(imports: Sequence[str]) -> None:
    """Start the process that workers are forked from, with these modules in it; it ends with ours.

    A worker is then there in an instant, also the one that replaces another that a clip has killed, instead of
    importing torch first. Done once: what later clusters import besides is imported by their workers.
    """
    if FORK != "forkserver":
        return
    from multiprocessing import forkserver, set_forkserver_preload

    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        set_forkserver_preload(["distributed", *imports])
        with _interrupts(signal.SIG_IGN):  # inherited: Ctrl-C is the driver's to answer
            forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _interrupts(handler: Any) -> Iterator[None]:
    """Answer Ctrl-C in this way during the block, where it is ours to answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave_interrupts_to_the_driver() -> Any:
    """A plugin for workers of this terminal: Ctrl-C reaches them too, and only the driver is to answer it."""
    from distributed import WorkerPlugin

    class LeaveInterrupts(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return LeaveInterrupts()


def run_shards(client: Any, work: Callable[[list[T]], R], shards: Iterable[list[T]]) -> Iterator[Done[T, R]]:
    """Do the work on every shard, a bounded number at a time, and hand over what comes back as it comes.

    A shard whose worker dies (a crash, out of memory) is halved until single items are under suspicion. Those run
    at the end with nothing beside them, so that no item pays for another's doing; one that kills its worker there
    too comes back with an error. An exception in `work` itself is a fault of ours and is raised.
    """
    from distributed import KilledWorker, wait

    waiting = iter(shards)
    halves: deque[list[T]] = deque()
    suspects: deque[list[T]] = deque()
    flying: dict[Any, list[T]] = {}

    def next_shard() -> list[T] | None:
        if halves:
            return halves.popleft()
        return next(waiting, None)

    while True:
        while len(flying) < IN_FLIGHT * max(1, len(client.nthreads())) and (items := next_shard()):
            flying[client.submit(work, items, pure=False)] = items
        alone = not flying
        if alone:
            if not suspects:
                return
            items = suspects.popleft()
            flying[client.submit(work, items, pure=False)] = items
        for future in wait(list(flying), return_when="FIRST_COMPLETED").done:
            items = flying.pop(future)
            try:
                # A result can be lost with its worker and be made again here, so this too can meet a dying worker.
                result = future.result()
            except KilledWorker:
                if len(items) > 1:
                    halves.extend([items[: len(items) // 2], items[len(items) // 2 :]])
                elif not alone:
                    suspects.append(items)
                else:
                    yield Done(items=items, error="it killed its worker (a crash, or out of memory)")
            else:
                yield Done(items=items, result=result)
