"""Connect to Dask workers: of a new local cluster, of a batch system, or of a scheduler that is already running."""

import contextlib
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hfv_builder.records import UsageError
from hfv_builder.storage.json_text import load_json
from pipelines.workers.interrupts import interrupts, leave_interrupts_to_the_driver
from pipelines.workers.jobs import job_cluster, submit_jobs
from pipelines.workers.limits import workers_memory
from pipelines.workers.local import ENVIRONMENT, FORK, GPU, LOOPBACK, gpus, local_workers, prepare_forks, this_process

PATIENCE = "10s"
"""Timeout for a scheduler to respond."""
WORKER_BYTES = 250 << 20
"""Bytes of memory that a local worker without models needs."""
LOCAL_WAIT_S = 300.0
"""Seconds that a run waits for local workers. Nannies restart them; new ones are never added."""
JOBQUEUE = "dask_jobqueue"
KINDS = {
    **{name: (JOBQUEUE, f"{name.upper()}Cluster") for name in ("slurm", "pbs", "lsf", "sge", "oar")},
    "htcondor": (JOBQUEUE, "HTCondorCluster"),
    "kubernetes": ("dask_kubernetes.operator", "KubeCluster"),
}
"""Module and class of the Dask cluster for every batch system."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Choice of workers for a stage: a given client, a scheduler, a batch system, or new local workers."""

    workers: int | None = None
    """Number of local processes, or of jobs of a batch system; 0 runs the tasks in this process.

    None requests one job, or starts as many processes as cores and memory allow.
    """
    scheduler: str | None = None
    """Address of a scheduler to use instead, such as `tcp://10.0.0.1:8786`, or path of its scheduler file."""
    kind: str | None = None
    """Batch system that starts the workers, a key of `KINDS`."""
    client: Any = None
    """A `distributed.Client`, which takes precedence over all other fields."""
    wait_min: float | None = None
    """Minutes to wait while no worker is available; None waits five minutes for local workers, forever for others."""

    @property
    def local(self) -> bool:
        """Return whether the stage starts its workers on this machine."""
        return self.client is None and self.scheduler is None and self.kind is None

    @property
    def in_this_process(self) -> bool:
        """Return whether tasks run in this process, which must not be killed at a deadline."""
        return self.local and self.workers == 0

    @property
    def wait_s(self) -> float | None:
        """Return how many seconds to wait while no worker is available; None waits forever."""
        if self.wait_min is not None:
            return 60 * self.wait_min
        return LOCAL_WAIT_S if self.local else None

    @contextlib.contextmanager
    def connect(
        self, *, imports: Sequence[str] = (), each_a_gpu: bool = False, worker_bytes: int = WORKER_BYTES
    ) -> Iterator[Any]:
        """Yield a `distributed.Client` that has workers; stop the workers that were started here at the end.

        Local workers have one thread, so that workers × threads never exceeds the number of cores and sums do not
        depend on the number of workers.

        Args:
            imports: modules that the tasks need; local workers import them at the start.
            each_a_gpu: start one local worker per GPU, which can use only this GPU, instead of one per core.
            worker_bytes: bytes of memory that a worker needs; fewer local workers are started if memory is short.

        Raises:
            UsageError: no scheduler responds at the address, or the batch system cannot be used.
        """
        if self.client is not None:
            yield self.client
            return
        for_gpus = gpus() if each_a_gpu and self.local else []
        forks = FORK == "forkserver" and self.local and not self.in_this_process and not for_gpus
        if forks:
            prepare_forks(imports)
        try:
            _configure(self, "spawn" if for_gpus else FORK)
        except (TypeError, ValueError) as error:
            why = str(error).splitlines()[0].partition(", original error")[0]
            raise UsageError(f"Dask's configuration cannot be used: {why}; correct it, or move it away") from None
        from distributed.gc import disable_gc_diagnosis

        from pipelines.workers.connection import Connection

        if forks:
            get_context("forkserver").Process(target=int).start()  # returns once the modules are imported
        with contextlib.ExitStack() as stack:
            if self.scheduler is not None:
                client = stack.enter_context(_client_of(self.scheduler))
                _print_dashboard(client)
                _warn_of_retries(client)
                yield client
                return
            signals: list[int] = []
            jobs = self.kind is not None
            queue = self.kind if self.kind is not None and KINDS[self.kind][0] == JOBQUEUE else None
            if jobs:  # or they stay in the queue
                stack.enter_context(interrupts(signal.default_int_handler, ends=True))
            # Dask cannot stop a cluster while it starts.
            with interrupts(lambda number, _: signals.append(number), ends=jobs):
                started = stack.enter_context(self._start(for_gpus, worker_bytes))
                if queue:
                    stack.callback(started._created.clear)  # at the very end, or Dask misses that they have ended
                client = stack.enter_context(Connection(started))
                if not self.in_this_process:
                    client.register_plugin(leave_interrupts_to_the_driver())
            if signals:
                raise KeyboardInterrupt
            if queue:
                submit_jobs(started, queue, self.workers or 1)
            if not self.in_this_process:
                _print_dashboard(client)
            disable_gc_diagnosis(force=True)  # it swallows a Ctrl-C that arrives during a collection of garbage
            try:
                yield client
            finally:
                if self.local:
                    # Dask fails to stop a worker while its nanny restarts it.
                    with contextlib.suppress(TimeoutError):
                        client.wait_for_workers(len(started.worker_spec), timeout=PATIENCE)

    def _start(self, for_gpus: Sequence[str], worker_bytes: int) -> Any:
        if self.kind is not None:
            return _batch_workers(self.kind, self.workers or 1)
        if self.in_this_process:
            return this_process(for_gpus)
        return local_workers(self.workers, for_gpus, worker_bytes)

    def has_memory(self, worker_bytes: int) -> bool:
        """Return whether every worker certainly has this much memory; False for workers that are not local."""
        return self.local and workers_memory() >= worker_bytes

    def has_gpus(self) -> bool:
        """Return whether a GPU is available: on this machine, or as a resource of a worker of the scheduler."""
        if self.local:
            return bool(gpus())
        if self.kind is not None:
            return False  # unknown before the jobs run; users choose it with --device
        if self.client is not None:
            return offered(self.client, GPU)
        with _client_of(str(self.scheduler)) as client:
            return offered(client, GPU)


LOCAL = Cluster()
"""Local workers: one per core, fewer if memory is short."""


def offered(client: Any, resources: dict[str, float]) -> bool:
    """Return whether a running worker offers these resources."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return any(worker["status"] == "running" and resources.items() <= worker["resources"].items() for worker in workers)


def _configure(cluster: Cluster, start: str) -> None:
    import dask

    if cluster.local:  # the user's configuration may name the address of another scheduler
        dask.config.set({"distributed.scheduler.contact-address": None})
    dask.config.set(
        {
            # `dispatch` handles lost workers; no worker queues tasks that another worker could start.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.comm.timeouts.connect": PATIENCE,
            # By default a cluster closes a nanny whose worker is missing 15 seconds after it died: while the worker
            # starts again, or is dead a second time.
            "distributed.deploy.lost-worker-timeout": "1000 days",
            # The user's configuration is about machines of a batch system: their scratch disks, and when they end.
            "temporary-directory": None,
            "distributed.scheduler.idle-timeout": None,
            "distributed.scheduler.no-workers-timeout": None,
            "distributed.worker.lifetime.duration": None,
            # A laptop that sleeps sends no heartbeats. Nannies restart the workers then; without one, none is left.
            "distributed.scheduler.worker-ttl": None if cluster.in_this_process else "5 minutes",
            # Dask's monitoring takes a tenth of a core by default, and a fiftieth with the values below.
            "distributed.worker.profile.enabled": False,
            "distributed.worker.memory.monitor-interval": "500ms",
            # Models and frames fill the memory of a worker; spilling and pausing cannot free them, only a restart can.
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False,
            "distributed.worker.memory.terminate": 0.95,
            "distributed.admin.tick.interval": "500ms",
            "distributed.admin.system-monitor.interval": "2s",
            "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
            "distributed.worker.multiprocessing-method": start,
        }
    )
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # reports a timer that Dask does not cancel when it closes


def _client_of(scheduler: str) -> Any:
    """Return a client of a running scheduler, given by its address or its scheduler file."""
    from pipelines.workers.connection import Connection

    by_file = Path(scheduler).is_file()
    address = _address_in(Path(scheduler)) if by_file else scheduler
    try:
        return Connection(**{"scheduler_file" if by_file else "address": scheduler}, timeout=PATIENCE)
    except (OSError, ImportError, TypeError, ValueError) as error:
        if isinstance(error, TypeError) and address.startswith("tls://"):
            hint = "set distributed.comm.tls in Dask's configuration; see docs/clusters.md"
            raise UsageError(f"the Dask scheduler at {address} needs certificates: {hint}") from None
        raise UsageError(f"no Dask scheduler responds at {scheduler}: {error}") from None


def _address_in(scheduler_file: Path) -> str:
    """Return the address that a scheduler has written to its scheduler file."""
    try:
        return str(load_json(scheduler_file.read_bytes())["address"])
    except (OSError, KeyError, TypeError, ValueError):
        hint = "start the scheduler with `dask scheduler --scheduler-file FILE`, and give that file"
        raise UsageError(f"{scheduler_file} is not a scheduler file: {hint}") from None


def _batch_workers(kind: str, workers: int) -> Any:
    """Return a cluster of a batch system, set up by Dask's configuration; jobs are submitted later."""
    package, name = KINDS[kind]
    try:
        if package == JOBQUEUE:
            return job_cluster(kind, package, name)
        cluster = getattr(import_module(package), name)()
    except ImportError:
        extra = "kubernetes" if kind == "kubernetes" else "batch"
        raise UsageError(f"--cluster {kind} needs another package: pip install -e '.[{extra}]'") from None
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"Dask's configuration of {kind} cannot be used: {why}; see docs/clusters.md") from None
    cluster.scale(n=workers)
    return cluster


def _print_dashboard(client: Any) -> None:
    """Print the address of Dask's dashboard, which exists only if bokeh is installed where the scheduler runs."""
    if client.run_on_scheduler(find_spec, "bokeh") is None:
        return
    with contextlib.suppress(KeyError):
        link: str = client.dashboard_link
        if client.run_on_scheduler(_dashboard_host) == LOOPBACK:  # the link has the host of the scheduler's own port
            host = client.scheduler.address.partition("://")[2].rpartition(":")[0]
            link = link.replace(f"//{host}:", f"//{LOOPBACK}:")
        print(f"dashboard: {link}", file=sys.stderr)


def _dashboard_host(dask_scheduler: Any) -> str:
    return str(dask_scheduler.services["dashboard"].address)


def _warn_of_retries(client: Any) -> None:
    """Print a warning if the scheduler itself retries tasks that killed their worker."""
    retries: int = client.run_on_scheduler(_allowed_failures)
    if retries:
        print(
            f"warning: a clip that crashes its worker will kill {retries + 1} workers instead of one, because the "
            f"scheduler at {client.scheduler.address} retries such tasks; start it with "
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 (docs/clusters.md)",
            file=sys.stderr,
        )


def _allowed_failures(dask_scheduler: Any) -> int:
    return int(dask_scheduler.allowed_failures)
