"""Workers: a local Dask cluster sized to this machine, a batch system's, or those of a scheduler that runs already."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hfv_builder.records import UsageError
from pipelines.workers.interrupts import interrupts, leave_interrupts_to_the_driver
from pipelines.workers.limits import workers_memory
from pipelines.workers.local import ENVIRONMENT, FORK, GPU, gpus, local_workers, prepare_forks, this_process

PATIENCE = "10s"
"""How long a scheduler may take to answer."""
WORKER_BYTES = 250 << 20
"""Memory that a local worker needs whose models need none."""
LOCAL_WAIT_S = 300.0
"""How long a run waits for workers of this machine: those that were started replace each other, and no others come."""
KINDS = {
    **{name: ("dask_jobqueue", f"{name.upper()}Cluster") for name in ("slurm", "pbs", "lsf", "sge", "oar")},
    "htcondor": ("dask_jobqueue", "HTCondorCluster"),
    "kubernetes": ("dask_kubernetes.operator", "KubeCluster"),
}
"""Batch systems, and what starts workers through them."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where a stage's tasks run: a client that is there already, a scheduler, a batch system, or workers of its own."""

    workers: int | None = None
    """Local processes, or jobs of a batch system; 0 works in this process.

    None takes one job, or as many processes as there are cores and memory for.
    """
    scheduler: str | None = None
    """The address of a scheduler to use instead, such as `tcp://10.0.0.1:8786`, or the file it wrote it to."""
    kind: str | None = None
    """A batch system to ask for workers, one of `KINDS`."""
    client: Any = None
    """A `distributed.Client` to use instead of all these."""
    wait_min: float | None = None
    """Minutes to wait while no worker is available; None waits five for local workers and for ever for others."""

    @property
    def local(self) -> bool:
        """Whether its workers are processes of this machine, started for the stage."""
        return self.client is None and self.scheduler is None and self.kind is None

    @property
    def in_this_process(self) -> bool:
        """Whether it works in this very process, which nothing may end."""
        return self.local and self.workers == 0

    @property
    def wait_s(self) -> float | None:
        """Seconds to wait while no worker is available; None is for ever."""
        if self.wait_min is not None:
            return 60 * self.wait_min
        return LOCAL_WAIT_S if self.local else None

    @contextlib.contextmanager
    def connect(
        self, *, imports: Sequence[str] = (), each_a_gpu: bool = False, worker_bytes: int = WORKER_BYTES
    ) -> Iterator[Any]:
        """A `distributed.Client` with workers behind it; those started here are stopped at the end.

        Local workers have one thread each, so that workers × threads never exceeds the cores and no sum depends on how
        many there are.

        Args:
            imports: modules that the work is going to need; local workers start with them.
            each_a_gpu: start a worker for each GPU of this machine, which sees that one alone, instead of one for each
                core.
            worker_bytes: memory that a worker needs; local workers are no more than there is memory for.

        Raises:
            UsageError: no scheduler answers at the address, or the batch system cannot be used.
        """
        if self.client is not None:
            yield self.client
            return
        for_gpus = gpus() if each_a_gpu and self.local else []
        forks = FORK == "forkserver" and self.local and not self.in_this_process and not for_gpus
        if forks:
            prepare_forks(imports)
        _configure("spawn" if for_gpus else FORK)
        from distributed import Client

        if forks:
            get_context("forkserver").Process(target=int).start()  # comes back when all is imported there
        with contextlib.ExitStack() as stack:
            if self.scheduler is not None:
                client = stack.enter_context(_client_of(self.scheduler))
                _tell_dashboard(client)
                _tell_stubborn(client)
                yield client
                return
            pressed: list[int] = []
            with interrupts(lambda number, _: pressed.append(number)):  # half a cluster cannot be stopped in order
                started = stack.enter_context(self._start(for_gpus, worker_bytes))
                client = stack.enter_context(Client(started))
                if not self.in_this_process:
                    client.register_plugin(leave_interrupts_to_the_driver())
            if pressed:
                raise KeyboardInterrupt
            if not self.in_this_process:
                _tell_dashboard(client)
            try:
                yield client
            finally:
                if self.local:
                    # Dask fails to stop a worker that is just being started again in the place of one that died.
                    with contextlib.suppress(TimeoutError):
                        client.wait_for_workers(len(started.worker_spec), timeout=PATIENCE)

    def _start(self, for_gpus: Sequence[str], worker_bytes: int) -> Any:
        if self.kind is not None:
            return _batch_workers(self.kind, self.workers or 1)
        if self.in_this_process:
            return this_process(for_gpus)
        return local_workers(self.workers, for_gpus, worker_bytes)

    def has_memory(self, worker_bytes: int) -> bool:
        """Whether each worker has at least so much memory for certain; nobody knows of workers elsewhere."""
        return self.local and workers_memory() >= worker_bytes

    def has_gpus(self) -> bool:
        """Whether there is a GPU to work on: here, or offered by a worker of the scheduler as a resource."""
        if self.local:
            return bool(gpus())
        if self.kind is not None:
            return False  # nobody knows before the jobs run; say so with --device
        if self.client is not None:
            return offered(self.client, GPU)
        with _client_of(str(self.scheduler)) as client:
            return offered(client, GPU)


def offered(client: Any, resources: dict[str, float]) -> bool:
    """Whether there is a worker at work that offers these resources."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return any(worker["status"] == "running" and resources.items() <= worker["resources"].items() for worker in workers)


def _configure(start: str) -> None:
    import dask

    dask.config.set(
        {
            # A lost worker is ours to handle, and no worker holds tasks that another could begin.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.comm.timeouts.connect": PATIENCE,
            # Looking after itself, Dask takes a tenth of a core by its defaults, and with these a fiftieth.
            "distributed.worker.profile.enabled": False,
            "distributed.worker.memory.monitor-interval": "500ms",
            # What fills a worker are models and frames, which waiting does not make less; only its end is of use.
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False,
            "distributed.admin.tick.interval": "500ms",
            "distributed.admin.system-monitor.interval": "2s",
            "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
            "distributed.worker.multiprocessing-method": start,
        }
    )
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # tells of a timer that Dask, closing, leaves behind


def _client_of(scheduler: str) -> Any:
    """A client of the scheduler that is there already, by its address or by the file it wrote."""
    from distributed import Client

    by_file = Path(scheduler).is_file()
    try:
        return Client(scheduler_file=scheduler, timeout=PATIENCE) if by_file else Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from None


def _batch_workers(kind: str, jobs: int) -> Any:
    """Workers that a batch system starts, set up by Dask's own configuration of it."""
    package, name = KINDS[kind]
    try:
        made = getattr(import_module(package), name)()
    except ImportError:
        extra = "kubernetes" if kind == "kubernetes" else "batch"
        raise UsageError(f"--cluster {kind} needs another package: pip install -e '.[{extra}]'") from None
    except (TypeError, ValueError) as error:
        raise UsageError(f"Dask's configuration of {kind} is not complete: {error}; see docs/clusters.md") from None
    made.scale(jobs)
    return made


def _tell_dashboard(client: Any) -> None:
    """Print the address of Dask's dashboard, which exists only if bokeh is installed where the scheduler runs."""
    if client.run_on_scheduler(find_spec, "bokeh") is None:
        return
    with contextlib.suppress(KeyError):
        print(f"dashboard: {client.dashboard_link}", file=sys.stderr)


def _tell_stubborn(client: Any) -> None:
    """Print a warning if the scheduler itself repeats tasks that have ended their worker."""
    repeats: int = client.run_on_scheduler(_allowed_failures)
    if repeats:
        print(
            f"warning: a clip that crashes its worker will end {repeats + 1} workers instead of one, because the "
            f"scheduler at {client.scheduler.address} repeats such tasks; start it with "
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 (docs/clusters.md)",
            file=sys.stderr,
        )


def _allowed_failures(dask_scheduler: Any) -> int:
    return int(dask_scheduler.allowed_failures)
