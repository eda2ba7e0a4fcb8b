"""Workers that are jobs of a batch system."""

import asyncio
import gc
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import MagicMock

import dask
import pytest
from distributed import Scheduler, SpecCluster, Worker
from distributed.deploy.spec import ProcessInterface

from hfv_builder.records import UsageError
from pipelines.workers import cluster as workers
from pipelines.workers.cluster import KINDS, Cluster, _print_dashboard
from pipelines.workers.connection import Connection
from pipelines.workers.jobs import LISTS, job_cluster, list_states, submit_jobs

LOCAL = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
DASK_JOBQUEUE = """
import signal, sys
from tests.pipelines.test_jobs import Jobs as SLURMCluster
signal.signal(signal.SIGINT, lambda *_: sys.exit())
"""
"""A module with a class of the tests and a handler of dask-jobqueue."""


class Job(ProcessInterface):
    """A job of two workers in this process, which does not record that it has ended, like those of dask-jobqueue."""

    taken: ClassVar[list["Job"]] = []
    refused: ClassVar[int] = 0
    """Number of submissions that the batch system refuses from now on."""
    dead: ClassVar[bool] = False
    """Whether workers of new jobs do not start."""

    def __init__(self, scheduler: str, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job_id = ""
        self.workers = [Worker(scheduler, name=f"{name}-{number}", nthreads=1) for number in range(2)]

    async def start(self) -> None:
        if Job.refused:
            Job.refused -= 1
            raise RuntimeError("Command exited.\nstderr:\nsbatch: error: no such queue\nsbatch: error: failed\n")
        Job.taken.append(self)
        self.job_id = str(len(Job.taken))
        for worker in self.workers if not Job.dead else []:
            await worker
        await super().start()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        for worker in self.workers if self.job_id else []:
            await worker.close()


class Jobs(SpecCluster):
    """A cluster of such jobs."""

    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, **options: Any) -> None:
        Jobs.options = options
        super().__init__(scheduler={"cls": Scheduler, "options": LOCAL}, worker={"cls": Job, "options": {}})  # type: ignore[no-untyped-call]


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("taken", []), ("refused", 0), ("dead", False)):
        monkeypatch.setattr(Job, name, value)


@pytest.fixture
def batch_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Make `--cluster slurm` start the jobs above, and return the file of what squeue prints."""
    (tmp_path / "dask_jobqueue.py").write_text(DASK_JOBQUEUE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "dask_jobqueue", raising=False)
    queue = tmp_path / "queue"
    queue.touch()
    monkeypatch.setitem(LISTS, "slurm", ["cat", str(queue)])
    with dask.config.set({"jobqueue.slurm": {"cores": 2, "memory": "2GB"}}):
        yield queue


def until(condition: Any) -> None:
    """Wait until a condition holds, for ten seconds at most."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_workers_of_kubernetes_are_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    package, name = KINDS["kubernetes"]
    started = MagicMock()
    monkeypatch.setitem(sys.modules, package, MagicMock(**{name: lambda: started}))
    assert Cluster(kind="kubernetes", workers=40)._start([], 0) is started
    started.scale.assert_called_once_with(n=40)


def test_jobs_that_end_are_submitted_again(capsys: pytest.CaptureFixture[str]) -> None:
    Job.refused = 1
    with Jobs() as cluster, Connection(cluster) as client:  # type: ignore[no-untyped-call]
        submit_jobs(cluster, "pbs", 2, poll_s=0.02, gone_s=0.1)
        client.wait_for_workers(4)
        for worker in Job.taken[0].workers:
            client.sync(worker.close)
        client.wait_for_workers(4, timeout=5)
        assert len(Job.taken) == 3
        cluster._created.clear()
    printed = capsys.readouterr().err
    assert "pbs jobs that have ended and are submitted again: 1" in printed
    assert printed.count("not all jobs can be submitted to pbs, trying again: sbatch: error: no such queue;") == 1


def test_jobs_that_end_are_submitted_again_while_the_batch_system_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LISTS, "slurm", ["sleep", "20"])
    monkeypatch.setattr("pipelines.workers.jobs.LIST_S", 0.01)
    with Jobs() as cluster, Connection(cluster) as client:  # type: ignore[no-untyped-call]
        submit_jobs(cluster, "slurm", 1, poll_s=0.02, gone_s=0.1)
        client.wait_for_workers(2)
        time.sleep(0.1)
        for worker in Job.taken[0].workers:
            client.sync(worker.close)
        until(lambda: len(Job.taken) == 2)
        cluster._created.clear()


def test_a_listing_that_cannot_be_killed_lists_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = MagicMock(returncode=None)
    stuck.poll.return_value = None
    stuck.wait.side_effect = subprocess.TimeoutExpired("squeue", 1)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: stuck)
    monkeypatch.setattr("pipelines.workers.jobs.LIST_S", 0)
    assert asyncio.run(list_states("slurm")) is None  # an empty list would mean that all jobs have ended


def test_jobs_that_leave_the_queue_are_submitted_again(batch_system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch_system.write_text("1 RUNNING (None)\n")
    with Jobs() as cluster, Connection(cluster) as client:  # type: ignore[no-untyped-call]
        submit_jobs(cluster, "slurm", 1, poll_s=0.02, gone_s=0.3)
        client.wait_for_workers(2)
        time.sleep(0.1)
        Job.dead = True
        batch_system.write_text("slow\n2 PENDING (Priority)\n")
        for worker in Job.taken[0].workers:
            client.sync(worker.close)
        until(lambda: len(Job.taken) == 2)
        time.sleep(0.4)
        assert len(Job.taken) == 2  # a job that waits is left alone
        Job.dead = False
        batch_system.write_text("")
        until(lambda: len(Job.taken) == 3)
        cluster._created.clear()
    printed = capsys.readouterr().err
    assert printed.count("slurm jobs: 1 PENDING (Priority)\n") == 1
    assert "slurm jobs: 1 ended before a worker connected (see its log)\n" in printed


def test_jobs_that_are_refused_are_one_sentence(batch_system: Path) -> None:
    Job.refused = 3
    refusal = (
        "no job can be submitted to slurm: sbatch: error: no such queue; sbatch: error: failed; see docs/clusters.md"
    )
    with pytest.raises(UsageError, match=refusal), Cluster(kind="slurm", workers=3).connect():
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_jobs(number: signal.Signals, batch_system: Path) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Cluster(kind="slurm").connect():
        signal.raise_signal(number)
    assert {str(worker.status) for worker in Job.taken[0].workers} == {"Status.closed"}
    assert signal.getsignal(number) is before


def test_a_job_that_is_submitted_while_the_run_ends_is_cancelled(
    batch_system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close: Any = Connection.close

    def close_slowly(*own: Any) -> None:
        time.sleep(0.05)
        close(*own)

    monkeypatch.setattr(Connection, "close", close_slowly)
    monkeypatch.setattr(workers, "submit_jobs", partial(submit_jobs, poll_s=0.01))
    batch_system.write_text("1 RUNNING (None)\n")
    with Cluster(kind="slurm").connect() as client:
        client.wait_for_workers(2)
        time.sleep(0.05)
        batch_system.write_text("")
        for worker in Job.taken[0].workers:
            client.sync(worker.close)
    assert {str(worker.status) for job in Job.taken for worker in job.workers} == {"Status.closed"}


def test_a_signal_is_not_lost_in_a_callback_of_dask(batch_system: Path) -> None:
    with Cluster(kind="slurm").connect():
        assert not [callback for callback in gc.callbacks if "GCDiagnosis" in repr(callback)]


def test_workers_of_jobs_are_set_up_like_local_ones(batch_system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/a folder/python")
    monkeypatch.setenv("HFV_WEIGHTS", "/a folder/weights")
    before = signal.getsignal(signal.SIGINT)
    job_cluster("slurm", *KINDS["slurm"]).close()
    assert signal.getsignal(signal.SIGINT) is before
    command = Jobs.options["python"].split(" ", 1)
    assert command[0] == "env"
    assert command[1].endswith(" HFV_WEIGHTS='/a folder/weights' '/a folder/python'")
    assert {"OMP_NUM_THREADS=1", "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE=False"} < {*command[1].split()}
    assert Jobs.options["processes"] == 2


def test_only_workers_of_the_run_can_connect_to_its_scheduler(
    batch_system: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    job_cluster("slurm", *KINDS["slurm"]).close()
    assert Jobs.options["security"].require_encryption
    assert "BEGIN CERTIFICATE" in Jobs.options["security"].tls_ca_file
    assert Jobs.options["shared_temp_directory"] == str(tmp_path)
    assert Jobs.options["scheduler_options"] == {"dashboard_address": "127.0.0.1:0"}
    assert Jobs.options["worker_extra_args"] == ["--dashboard-address", "127.0.0.1:0"]
    job = {"cores": 1, "memory": "2GB", "shared-temp-directory": "/keys", "worker-extra-args": ["--lifetime", "55m"]}
    names = ["client.key", "client.cert", "worker.key", "worker.cert", "scheduler.key", "scheduler.cert", "ca-file"]
    made = Jobs.options["security"]
    own = {f"distributed.comm.tls.{name}": getattr(made, f"tls_{re.sub('[.-]', '_', name)}") for name in names}
    with dask.config.set(own | {"jobqueue.slurm": job}):
        job_cluster("slurm", *KINDS["slurm"]).close()
    assert Jobs.options["worker_extra_args"][2:] == ["--lifetime", "55m"]
    assert Jobs.options["security"] is None
    assert Jobs.options["shared_temp_directory"] == "/keys"
    del own["distributed.comm.tls.worker.cert"]  # Dask would not encrypt
    missing = r"certificates for the jobs cannot be written into /keys \(No such file"
    with dask.config.set(own | {"jobqueue.slurm": job}), pytest.raises(UsageError, match=missing):
        job_cluster("slurm", *KINDS["slurm"])


def test_the_address_of_a_dashboard_is_one_on_which_it_listens(capsys: pytest.CaptureFixture[str]) -> None:
    client = MagicMock(dashboard_link="http://10.0.0.1:80/status", scheduler=MagicMock(address="tls://10.0.0.1:8786"))
    client.run_on_scheduler.side_effect = ["bokeh", "127.0.0.1", "bokeh", "10.0.0.1"]
    _print_dashboard(client)
    _print_dashboard(client)
    assert capsys.readouterr().err == "dashboard: http://127.0.0.1:80/status\ndashboard: http://10.0.0.1:80/status\n"


def test_an_incomplete_configuration_is_one_sentence(batch_system: Path) -> None:
    with (
        dask.config.set({"jobqueue.slurm": {"cores": 1}}),
        pytest.raises(UsageError, match=r"lacks memory of a job: describe jobs under jobqueue\.slurm in ~/\.config"),
        Cluster(kind="slurm").connect(),
    ):
        pass


def test_a_cluster_that_does_not_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "job_cluster", MagicMock(side_effect=TimeoutError()))
    refusal = "Dask's configuration of slurm cannot be used: TimeoutError; see docs"
    with pytest.raises(UsageError, match=refusal), Cluster(kind="slurm").connect():
        pass


def test_a_missing_package_of_a_batch_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with (
        pytest.raises(UsageError, match=r"--cluster slurm needs another package: pip install -e '\.\[batch\]'"),
        Cluster(kind="slurm").connect(),
    ):
        pass
