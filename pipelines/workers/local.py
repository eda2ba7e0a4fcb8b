"""The GPUs of this machine, and the workers that share it."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from hfv_builder.storage.sockets import shorten_sockets
from pipelines.workers.interrupts import interrupts
from pipelines.workers.limits import cores, workers_memory, workers_that_fit

GPU = {"GPU": 1.0}
"""The resource, in Dask's words, that a worker with a GPU offers and work for one asks for."""
LOOPBACK = "127.0.0.1"
"""Where the cluster of this machine listens."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Memory that one clip gave back is at hand for the next; fetching it from the system page by page costs a third
    # of the time of `lite`. Dask's own default gives it back at once, and so does what malloc sets up for a second
    # thread, in which a worker's tasks run.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}
"""Of a local worker; what is read as a process starts, so that it must be set before."""
FORK = "forkserver" if sys.platform == "linux" else "spawn"
"""How a local worker without a GPU starts."""


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; found without importing torch."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [gpu for gpu in allowed.split(",") if gpu.strip() not in ("", "-1")]
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        return []
    try:
        return [str(number) for number in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def this_process(for_gpus: Sequence[str]) -> Any:
    """A single worker that is a thread of this process, for looking into a fault or for a machine of one core."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        memory_limit=0,
        dashboard_address=f"{LOOPBACK}:0",
        worker_dashboard_address=f"{LOOPBACK}:0",
        resources=GPU if for_gpus else None,
    )


def local_workers(workers: int | None, for_gpus: Sequence[str], worker_bytes: int) -> Any:
    """Worker processes of this machine, each with a nanny that starts it again when it dies.

    There are as many as are asked for, else one for each core or GPU, but no more than there is memory for.

    Whoever reaches a port of Dask runs code as its user. All ports are on loopback, and a certificate made for this
    cluster, which exists in memory only, keeps out other users of the machine.

    Args:
        worker_bytes: memory that a worker needs.
    """
    from distributed import Nanny, Scheduler, SpecCluster
    from distributed.security import Security

    wanted = min(workers or len(for_gpus), len(for_gpus)) if for_gpus else workers or cores()
    count = min(wanted, workers_that_fit(worker_bytes))
    if count < wanted:
        print(
            f"{count} instead of {wanted} workers: one needs about {worker_bytes / 1e9:.1f} GB, and there are "
            f"{workers_memory() / 1e9:.1f} GB for all of them",
            file=sys.stderr,
        )
    security = Security.temporary()
    options: dict[str, Any] = {
        "nthreads": 1,
        "memory_limit": workers_memory() // count,
        "silence_logs": logging.CRITICAL,
        "host": LOOPBACK,
        "dashboard_address": f"{LOOPBACK}:0",
        "security": security,
    }
    ours = dict(os.environ) | ENVIRONMENT
    # Set before the worker imports anything: transformers freezes CUDA_VISIBLE_DEVICES when it is imported.
    of_gpus: list[dict[str, Any]] = [
        {"env": ours | {"CUDA_VISIBLE_DEVICES": gpu}, "resources": GPU} for gpu in for_gpus[:count]
    ]
    specification = {
        number: {"cls": Nanny, "options": options | own}
        for number, own in enumerate(of_gpus or [{"env": ours}] * count)
    }
    scheduler_options = {
        "host": LOOPBACK,
        "port": 0,
        "protocol": "tls://",
        "dashboard_address": f"{LOOPBACK}:0",  # any free port: several clusters may run on one machine
    }
    return SpecCluster(
        workers=specification,
        scheduler={"cls": Scheduler, "options": scheduler_options | {"security": security}},
        security=security,
        silence_logs=logging.CRITICAL,
    )


def prepare_forks(imports: Sequence[str]) -> None:
    """Start the process that workers are forked from, with these modules in it; it ends with ours.

    A worker is then there in an instant, also the one that replaces another that a clip has killed, instead of
    importing torch first. Done once: what later clusters import besides is imported by their workers.
    """
    from multiprocessing import forkserver, set_forkserver_preload

    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        set_forkserver_preload(["distributed", *imports])
        shorten_sockets()
        with interrupts(signal.SIG_IGN):  # inherited: Ctrl-C is the driver's to answer
            forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
