"""Workers that are jobs of a batch system."""

import sys
from typing import ClassVar
from unittest.mock import MagicMock

import pytest
from distributed import Scheduler, SpecCluster, Worker
from distributed.deploy.spec import ProcessInterface

from hfv_builder.records import UsageError
from pipelines.workers.cluster import KINDS, Cluster
from pipelines.workers.connection import Connection
from pipelines.workers.jobs import keep_jobs


@pytest.mark.parametrize(("kind", "number"), [("slurm", "jobs"), ("kubernetes", "n")])
def test_workers_of_a_batch_system_are_jobs(kind: str, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """dask-jobqueue takes a plain number for workers, of which a job may hold several."""
    package, name = KINDS[kind]
    started = MagicMock()
    monkeypatch.setitem(sys.modules, package, MagicMock(**{name: lambda: started}))
    assert Cluster(kind=kind, workers=40)._start([], 0) is started
    started.scale.assert_called_once_with(**{number: 40})


class Job(ProcessInterface):
    """A job of two workers in this process; the batch system does not take the first one."""

    taken: ClassVar[list["Job"]] = []
    refused = 0

    def __init__(self, scheduler: str, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.workers = [Worker(scheduler, name=f"{name}-{number}", nthreads=1) for number in range(2)]

    async def start(self) -> None:
        if not Job.refused:
            Job.refused = 1
            raise RuntimeError("sbatch: error: Unable to contact slurm controller")
        Job.taken.append(self)
        for worker in self.workers:
            await worker
        await super().start()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        for worker in self.workers:
            await worker.close()
        await super().close()  # type: ignore[no-untyped-call]


def test_jobs_that_end_are_submitted_again(capsys: pytest.CaptureFixture[str]) -> None:
    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    jobs = {"job": {"cls": Job, "group": ["-0", "-1"]}}
    with SpecCluster(scheduler={"cls": Scheduler, "options": local}) as cluster, Connection(cluster) as client:  # type: ignore[no-untyped-call]
        cluster.worker_spec.update(jobs)
        with pytest.raises(RuntimeError, match="sbatch"):
            client.sync(cluster._correct_state)
        keep_jobs(cluster, poll_s=0.02, gone_s=0.1)
        client.wait_for_workers(2)
        for worker in Job.taken[0].workers:
            client.sync(worker.close)
        client.wait_for_workers(2, timeout=5)
        assert len(Job.taken) == 2
    assert "submitting them again" in capsys.readouterr().err


def test_a_missing_package_of_a_batch_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with (
        pytest.raises(UsageError, match=r"--cluster slurm needs another package: pip install -e '\.\[batch\]'"),
        Cluster(kind="slurm").connect(),
    ):
        pass
