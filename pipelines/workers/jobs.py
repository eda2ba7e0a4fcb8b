"""Submit jobs of a batch system, and submit them again when they have ended, such as at their time limit."""

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib import import_module
from tempfile import TemporaryFile
from typing import Any

from hfv_builder.records import UsageError
from pipelines.workers.interrupts import interrupts
from pipelines.workers.local import ENVIRONMENT, LOOPBACK

POLL_S = 30.0
"""Seconds between two looks at the jobs."""
GONE_S = 300.0
"""Seconds without a worker after which a job counts as ended. A nanny restarts a worker that died sooner."""
LISTS = {"slurm": ["squeue", "--me", "--all", "--noheader", "--format=%i %T (%r)"]}
"""Commands that list the id and the state of every job of this user that waits or runs, in hidden partitions too."""
LIST_S = 60.0
"""Seconds that such a command may take."""
LISTED_S = 0.01
"""Seconds between two checks whether it has ended."""
WAITING = "PENDING"
"""Beginning of the state of a job that waits."""
JOB_ENVIRONMENT = ENVIRONMENT | {
    f"DASK_DISTRIBUTED__WORKER__{name}": "False"
    for name in ("MEMORY__TARGET", "MEMORY__SPILL", "MEMORY__PAUSE", "PROFILE__ENABLED")
}
"""Environment variables of the workers in jobs, which do not have the configuration of the driver."""


def job_cluster(kind: str, package: str, name: str) -> Any:
    """Return a cluster of dask-jobqueue without jobs.

    Anyone who can connect to a port of Dask can run code as its user, and jobs need ports that other machines reach. A
    temporary certificate, in files of a folder that the jobs see too, keeps others out unless Dask's configuration
    names certificates of scheduler, workers and clients: with fewer, Dask would not encrypt.

    Args:
        kind: the batch system.
        package: the module of the cluster.
        name: the class of the cluster.

    Raises:
        ImportError: the package is not installed.
        UsageError: Dask's configuration does not describe a job, or its certificate cannot be written.
    """
    import dask
    from distributed.security import Security

    with interrupts(signal.getsignal(signal.SIGINT)):  # the import makes Ctrl-C exit with code 0
        cluster_class = getattr(import_module(package), name)

    def setting(key: str) -> Any:
        return dask.config.get(f"jobqueue.{kind}.{key}", None)

    if missing := [key for key in ("cores", "memory") if not setting(key)]:
        raise UsageError(
            f"Dask's configuration lacks {' and '.join(missing)} of a job: describe jobs under jobqueue.{kind} in "
            "~/.config/dask/jobqueue.yaml, as in docs/clusters.md"
        )
    environment = dict(JOB_ENVIRONMENT)
    if weights := os.environ.get("HFV_WEIGHTS"):  # not every batch system gives a job the user's environment
        environment["HFV_WEIGHTS"] = shlex.quote(os.path.abspath(os.path.expanduser(weights)))
    variables = " ".join(f"{variable}={value}" for variable, value in environment.items())
    files = ("ca-file", "scheduler.cert", "worker.cert", "client.cert")
    has_own = all(dask.config.get(f"distributed.comm.tls.{file}", None) for file in files)
    folder = setting("shared-temp-directory") or os.path.expanduser("~")
    if not has_own:
        try:
            with TemporaryFile(dir=os.path.expanduser(os.path.expandvars(folder))):
                pass
        except OSError as error:
            raise UsageError(
                f"certificates for the jobs cannot be written into {folder} ({error.strerror}): name a folder that "
                f"the jobs see too as jobqueue.{kind}.shared-temp-directory, as in docs/clusters.md"
            ) from None
    page = f"{LOOPBACK}:0"  # HTTP without certificates; port 0, since several commands may run on one machine
    extra = setting("worker-extra-args") or setting("extra") or []
    return cluster_class(
        python=f"env {variables} {setting('python') or shlex.quote(sys.executable)}",
        processes=setting("processes") or setting("cores"),  # one thread per worker, like local workers
        security=None if has_own else Security.temporary(),  # type: ignore[no-untyped-call]
        shared_temp_directory=folder,
        worker_extra_args=["--dashboard-address", page, *extra],
        scheduler_options={"dashboard_address": page} | (setting("scheduler-options") or {}),
        silence_logs=logging.CRITICAL,
    )


def submit_jobs(cluster: Any, kind: str, jobs: int, *, poll_s: float = POLL_S, gone_s: float = GONE_S) -> None:
    """Submit jobs, and until the cluster is closed submit a job again if it has ended or could not be submitted.

    A job that waits in its queue is left alone.

    Args:
        cluster: a `distributed.SpecCluster`, whose scheduler is in this process.
        kind: the batch system.
        jobs: the number of jobs.
        poll_s: seconds between two looks at the jobs.
        gone_s: seconds without a worker after which a job counts as ended.

    Raises:
        UsageError: no job can be submitted.
    """
    from tornado.ioloop import PeriodicCallback

    while len(cluster.worker_spec) < jobs:
        cluster.worker_spec.update(cluster.new_worker_spec())
    keeper = _Keeper(cluster, kind, gone_s)
    try:
        cluster.sync(cluster._correct_state)
    except Exception as error:
        if not any(map(_is_submitted, cluster.workers.values())):
            raise UsageError(f"no job can be submitted to {kind}: {_why(error)}; see docs/clusters.md") from None
        keeper.report_refusal(error)
    looking = PeriodicCallback(keeper.look, 1000 * poll_s)
    cluster.periodic_callbacks["keep-jobs"] = looking
    cluster.loop.add_callback(looking.start)


class _Keeper:
    """Submit jobs again that have ended, and report the states of the jobs while there is no worker."""

    def __init__(self, cluster: Any, kind: str, gone_s: float) -> None:
        self._cluster, self._kind, self._gone_s = cluster, kind, gone_s
        self._had_worker: set[Any] = set()
        self._last_alive: dict[Any, float] = {}
        self._reported: dict[str, str] = {}

    async def look(self) -> None:
        """Look at the jobs once."""
        from distributed import Status

        now = time.monotonic()
        present = {str(worker.name) for worker in self._cluster.scheduler.workers.values()}
        states = await list_states(self._kind)
        ended = []
        for name, job in self._cluster.workers.items():
            state = "unknown" if states is None else states.get(job.job_id, "")
            if any(worker == name or worker.startswith(f"{name}-") for worker in present):  # a job may hold several
                self._had_worker.add(name)
                self._last_alive[name] = now
            elif state.startswith(WAITING) or (state and name not in self._had_worker):
                self._last_alive[name] = now
            gone = now - self._last_alive.setdefault(name, now) >= self._gone_s
            is_over = name in self._had_worker and not state
            if not _is_submitted(job) or gone or (is_over and self._last_alive[name] < now):
                ended.append(name)
        if self._cluster.status is not Status.running:
            return
        if states is not None:
            jobs = {name: job.job_id for name, job in self._cluster.workers.items() if name not in ended}
            dead = "ended before a worker connected (see its log)"
            counts = Counter(states.get(job_id, dead) for job_id in ([] if present else jobs.values()))
            text = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
            self._report("states", text and f"{self._kind} jobs: {text}")
        if ended:
            await self._submit_again(ended)

    def report_refusal(self, error: Exception) -> None:
        """Report that some jobs could not be submitted."""
        self._report("refusal", f"not all jobs can be submitted to {self._kind}, trying again: {_why(error)}")

    def _report(self, topic: str, text: str) -> None:
        """Print a line unless it is the last one of its topic."""
        if text and text != self._reported.get(topic):
            print(text, file=sys.stderr)
        self._reported[topic] = text

    async def _submit_again(self, names: list[Any]) -> None:
        if ended := sum(_is_submitted(self._cluster.workers[name]) for name in names):
            print(f"{self._kind} jobs that have ended and are submitted again: {ended}", file=sys.stderr)
        for name in names:
            self._had_worker.discard(name)
            self._last_alive.pop(name, None)
            with contextlib.suppress(Exception):  # the batch system may not know it any more
                await self._cluster.workers.pop(name).close()
        try:
            await self._cluster._correct_state()
        except Exception as error:  # the batch system may not respond for a while
            self.report_refusal(error)


def _is_submitted(job: Any) -> bool:
    from distributed import Status

    return job.status is not Status.created


def _why(error: Exception) -> str:
    """Return what a command of the batch system printed as its error, in one line."""
    if isinstance(error, FileNotFoundError):
        return f"there is no command {error.filename} on this machine"
    text = str(error).strip()
    printed = text.rpartition("stderr:\n")[2] or text or type(error).__name__
    return "; ".join(line.strip() for line in printed.splitlines() if line.strip())


async def list_states(kind: str) -> dict[str, str] | None:
    """Return the states of the jobs in the queue by their ids; None if they cannot be listed."""
    if kind not in LISTS:
        return None
    import asyncio

    with TemporaryFile() as output:
        try:
            listing = subprocess.Popen(LISTS[kind], stdout=output, stderr=subprocess.DEVNULL)
        except OSError:
            return None
        deadline = time.monotonic() + LIST_S
        try:
            while listing.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(LISTED_S)
        finally:  # also if the event loop ends meanwhile
            listing.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # a process that waits for a disk does not end
                listing.wait(1)
        output.seek(0)
        text = output.read().decode(errors="replace")
    lines = (line.strip().partition(" ") for line in text.splitlines())
    return {job_id: state for job_id, _, state in lines} if listing.returncode == 0 else None
