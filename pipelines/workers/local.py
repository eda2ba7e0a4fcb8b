"""List the GPUs of this machine and start local workers."""

import itertools
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hfv_builder.storage.sockets import shorten_sockets
from pipelines.workers.interrupts import interrupts
from pipelines.workers.limits import cores, workers_memory, workers_that_fit

GPU = {"GPU": 1.0}
"""Dask resource that GPU workers offer and GPU tasks require."""
GPU_NAME = re.compile(r"\d+|(GPU|MIG)-\S+")
"""A number or an identifier of a GPU, or of a part of one."""
LOOPBACK = "127.0.0.1"
"""Address on which the local cluster listens."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Keep freed memory for the next clip: fetching it from the system page by page takes a third of the time of `lite`.
    # Dask's defaults return it to the system at once, and so do malloc's defaults for a second thread, in which a
    # worker runs its tasks.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}
"""Environment variables of local workers, which are read when the process starts."""
COMMON_IMPORTS = ("distributed", "pandas")
"""The modules that every worker needs; pyarrow imports pandas when it makes its first array."""
PRELOAD = "HFV_PRELOAD"
"""Environment variable that gives the fork server the names of its modules, separated by spaces."""
FORK = "forkserver" if sys.platform == "linux" else "spawn"
"""Start method of local workers without a GPU."""


def gpus() -> list[str]:
    """Return the GPUs that this process may use, as in CUDA_VISIBLE_DEVICES, without importing torch.

    As for CUDA, the list ends at the first entry that names no GPU, such as -1, NoDevFiles of Slurm, or a number that
    is too large. It is empty without a driver: a login file may set the variable on machines without a GPU too.
    """
    count = installed_gpus()
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None or not count:
        return [str(number) for number in range(count)]

    def is_there(gpu: str) -> bool:
        return bool(GPU_NAME.fullmatch(gpu)) and not (gpu.isdigit() and int(gpu) >= count)

    return [*itertools.takewhile(is_there, map(str.strip, allowed.split(",")))]


def installed_gpus(devices: Path = Path("/dev")) -> int:
    """Return the number of GPUs of this machine; 0 without a driver.

    Args:
        devices: the folder of device files, which are counted where the library of the driver is lacking: some
            containers have only what CUDA needs.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return len([*devices.glob("nvidia[0-9]*")])
    try:
        return int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()


def this_process(for_gpus: Sequence[str]) -> Any:
    """Return a cluster with one worker that is a thread of this process, for debugging or a machine with one core."""
    from distributed import LocalCluster
    from distributed.security import Security

    return LocalCluster(
        security=Security(require_encryption=False),  # also if Dask's configuration asks for TLS: there is no port
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        memory_limit=0,
        dashboard_address=f"{LOOPBACK}:0",
        worker_dashboard_address=f"{LOOPBACK}:0",
        resources=GPU if for_gpus else None,
    )


def local_workers(workers: int | None, for_gpus: Sequence[str], worker_bytes: int) -> Any:
    """Return a cluster of local worker processes, with nannies that restart them when they die.

    There are `workers` of them, by default one per core or GPU, but no more than fit into memory.

    Anyone who can connect to a port of Dask can run code as its user. All ports are on loopback, and a temporary
    certificate, which exists in memory only, keeps out other users of the machine.

    Args:
        workers: the number of workers; None for the default.
        for_gpus: the GPUs to use, one per worker; empty for CPU workers.
        worker_bytes: bytes of memory that a worker needs.
    """
    from distributed import Nanny, Scheduler, SpecCluster
    from distributed.security import Security

    wanted = min(workers or len(for_gpus), len(for_gpus)) if for_gpus else workers or cores()
    count = min(wanted, workers_that_fit(worker_bytes))
    if count < wanted:
        print(
            f"{count} instead of {wanted} workers: a worker needs about {worker_bytes / 1e9:.1f} GB, and "
            f"{workers_memory() / 1e9:.1f} GB are available for all of them",
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
    environment = dict(os.environ) | ENVIRONMENT
    # Set before the worker imports anything: transformers reads CUDA_VISIBLE_DEVICES when it is imported.
    gpu_options: list[dict[str, Any]] = [
        {"env": environment | {"CUDA_VISIBLE_DEVICES": gpu}, "resources": GPU} for gpu in for_gpus[:count]
    ]
    specification = {
        number: {"cls": Nanny, "options": options | worker_options}
        for number, worker_options in enumerate(gpu_options or [{"env": environment}] * count)
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
    """Start the fork server with these modules imported; it ends with this process.

    Workers, also those that replace a dead one, then start at once instead of importing torch first. The fork server
    starts only once: workers of later clusters import other modules themselves.
    """
    from multiprocessing import forkserver, set_forkserver_preload

    before = dict(os.environ)
    os.environ.update(ENVIRONMENT | {PRELOAD: " ".join([*COMMON_IMPORTS, *imports])})
    try:
        set_forkserver_preload(["pipelines.workers.preload"])
        shorten_sockets()
        with interrupts(signal.SIG_IGN):  # inherited by workers: only the driver handles Ctrl-C
            forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
