"""Schedulers and workers that were started by hand, from the shell."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from distributed import Client

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import rows
from tests.pipelines.deadly import add, allow_failures, hang

Fill = Callable[..., Path]
LITE = load_profile("lite")

Started = tuple[Path, list[subprocess.Popen[bytes]]]
SLOW_NANNY = """
import distributed.nanny, dask.cli
distributed.nanny.WorkerProcess._init_msg_interval = 2.0  # seconds until the nanny knows that its worker is up
dask.cli.run_cli()
"""


DASK = [sys.executable, "-m", "dask"]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a scheduler and two workers as docs/clusters.md describes, and return the scheduler file.

    Tests leave the scheduler as it was; workers that die are replaced.
    """
    with _started(tmp_path_factory.mktemp("by-hand"), DASK, workers=2) as (file, _):
        yield file


@pytest.fixture
def by_hand_for_one(tmp_path: Path) -> Iterator[Started]:
    """Start a scheduler and a worker for one test; return the scheduler file and their processes."""
    with _started(tmp_path, DASK, workers=1) as started:
        yield started


@contextlib.contextmanager
def _started(folder: Path, of_worker: list[str], *, workers: int) -> Iterator[Started]:
    file = folder / "scheduler.json"
    scheduler = [sys.executable, "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0"]
    commands = [[*scheduler, "--dashboard-address", "127.0.0.1:0"]]
    commands += [[*of_worker, "worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard"]] * workers
    settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [
        subprocess.Popen(
            [*command, "--scheduler-file", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | settings,
        )
        for command in commands
    ]
    try:
        deadline = time.time() + 60
        while not file.exists() and time.time() < deadline:
            time.sleep(0.1)
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(workers, timeout=60)
        yield file, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_worker_that_dies_before_its_nanny_knows_it_is_replaced(tmp_path: Path) -> None:
    """A nanny that does not know yet that its first worker is up gives up when it dies, and starts no other worker."""
    with (
        _started(tmp_path, [sys.executable, "-c", SLOW_NANNY], workers=1) as (file, _),
        Cluster(scheduler=str(file)).connect() as client,
    ):
        results = list(run_shards(client, partial(add, deadly=3), [[3], [4]], wait_s=60))
        assert sorted((result.items, result.result) for result in results) == [([3], None), ([4], 4)]


def test_a_catalogue_on_a_scheduler_by_hand_is_the_same_and_losing_it_is_a_usage_error(
    by_hand_for_one: Started,
    manifests: Manifests,
    clips_folder: Fill,
    cluster: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only a catalogue is made, since workers of their own would take long to import torch.

    When the scheduler is lost during work, the client has closed before the driver asks for the next result.
    """
    file, (scheduler, *_) = by_hand_for_one
    folder = clips_folder(count=4, broken=True)
    remote = Manifests(tmp_path / "remote")
    catalog(manifests, "kling", folder, cluster=cluster)
    catalog(remote, "kling", folder, cluster=Cluster(scheduler=str(file)))
    assert rows(remote, CLIPS) == rows(manifests, CLIPS)
    # The scheduler runs in the same environment; without bokeh it has no dashboard.
    assert ("dashboard: http://127.0.0.1:" in capsys.readouterr().err) is (find_spec("bokeh") is not None)

    write_clip(folder / "new.mp4", moving_square(8, seed=77))
    with Cluster(scheduler=str(file)).connect() as client:
        results = run_shards(client, sum, iter([[number] for number in range(100)]))
        next(results)
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait()
        client.close()
        with pytest.raises(UsageError, match=r"scheduler at tcp://.* is gone; nothing is lost"):
            list(results)
    with pytest.raises(UsageError, match="no Dask scheduler responds at"):
        catalog(remote, "kling", folder, cluster=Cluster(scheduler=str(file)))
    assert rows(remote, CLIPS) == rows(manifests, CLIPS)


def test_workers_started_by_hand_are_replaced_when_they_die(by_hand: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cluster(scheduler=str(by_hand)).connect() as client:
        crashed = list(run_shards(client, partial(add, deadly=3), [[1, 2], [3, 4]]))
        hung = list(run_shards(client, partial(hang, forever=3, deadline_s=0.3), [[1], [3]]))
    for results in (crashed, hung):
        assert [result.items for result in results if result.error] == [[3]]
        assert sum(result.result or 0 for result in results) == sum(sum(result.items) for result in results) - 3
    assert "crashes its worker" not in capsys.readouterr().err


def test_a_warning_names_missing_settings_of_the_scheduler(by_hand: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Client(scheduler_file=str(by_hand)) as client:
        client.run_on_scheduler(allow_failures, 3)
        with Cluster(scheduler=client.scheduler.address).connect():
            pass
        client.run_on_scheduler(allow_failures, 0)
    err = capsys.readouterr().err
    assert err.count("warning: a clip that crashes its worker will kill 4 workers instead of one") == 1
    assert "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0" in err


def test_the_guide_names_the_environment_of_every_command() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text()
    commands = [line.strip() for line in guide.splitlines() if line.startswith("    ")]
    assert not [line for line in commands if line.startswith(("dask ", "pip ", "hfv "))]
    assert "password" in guide  # the warning that a scheduler requires none
