"""Tasks in this process and on workers that die, hang or have GPUs; missing batch systems."""

import contextlib
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dask
import psutil
import pyarrow as pa
import pynvml
import pytest
from distributed import Status

from hfv_builder.backends.registry import resolve
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.score.stage import score
from pipelines.workers.cluster import LOCAL_WAIT_S, Cluster, offered
from pipelines.workers.connection import Connection
from pipelines.workers.dispatch import run_shards
from pipelines.workers.local import gpus, installed_gpus
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import raising, rows
from tests.pipelines.deadly import DeadlyDecoder, environment

Fill = Callable[..., Path]
LITE = load_profile("lite")


def parts(manifests: Manifests) -> list[bytes]:
    """Return the bytes of all parts of scores."""
    return [path.read_bytes() for path in sorted((manifests.local_root / "scores").rglob("*.parquet"))]


def test_clips_that_crash_or_hang_or_lose_the_gpu_fail_alone(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=6, frames=4)
    catalog(manifests, "kling", folder, cluster=cluster)
    score(manifests, "kling", LITE, cluster=cluster)
    undisturbed = {row["clip_id"]: row for row in rows(manifests, SCORES, metric="motion")}

    write_clip(folder / "exit.mp4", moving_square(4, seed=80))
    write_clip(folder / "hang.mp4", moving_square(4, seed=81))
    write_clip(folder / "lost.mp4", moving_square(4, seed=82))
    with_deadly_clips = Manifests(tmp_path / "harmed")
    catalog(with_deadly_clips, "kling", folder, cluster=cluster)
    names = {row["clip_id"]: Path(row["path"]).name for row in rows(with_deadly_clips, CLIPS)}
    with Cluster(workers=2).connect() as client:
        client.register_plugin(DeadlyDecoder())
        outcome = score(with_deadly_clips, "kling", LITE, cluster=Cluster(client=client), deadline_s=5)
    assert outcome.exit_code == 3
    records = rows(with_deadly_clips, SCORES, metric="motion")
    assert len(records) == len(names) == 9
    for row in records:
        if names[row["clip_id"]] in ("exit.mp4", "hang.mp4", "lost.mp4"):
            assert row["status"] == "failed"
            assert "killed its worker" in row["error"]
            assert "within 5 s" in row["error"]
        else:
            assert row == undisturbed[row["clip_id"]]
    assert len(rows(with_deadly_clips, SCORES)) == 3 * 9


def test_workers_have_their_imports_from_the_fork_server(cluster: Cluster) -> None:
    """Collections of garbage leave them alone, so that workers neither traverse nor copy them."""
    with cluster.connect() as client:
        states = client.run(
            lambda: (gc.isenabled(), gc.get_freeze_count() > 50_000, {"pandas", "torch"} <= {*sys.modules})
        )
    assert [*states.values()] == [(True, True, True)] * 2


def test_rows_in_this_process_equal_those_of_workers(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=3, frames=4, broken=True)
    in_process = Manifests(tmp_path / "here")
    for manifests_of_run, run_cluster in ((manifests, cluster), (in_process, Cluster(workers=0))):
        catalog(manifests_of_run, "kling", folder, cluster=run_cluster)
        score(manifests_of_run, "kling", LITE, cluster=run_cluster)
    assert parts(in_process) == parts(manifests)
    assert len(parts(in_process)) == len(METRICS)


def test_every_gpu_has_a_worker_that_sees_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,9")
    monkeypatch.setattr("pipelines.workers.local.installed_gpus", lambda: 0)
    assert not Cluster().has_gpus()
    monkeypatch.setattr("pipelines.workers.local.installed_gpus", lambda: 8)
    assert Cluster().has_gpus()
    with Cluster().connect(each_a_gpu=True) as client:
        visible = client.run(environment, "CUDA_VISIBLE_DEVICES")
        offered = [worker["resources"] for worker in client.scheduler_info()["workers"].values()]
        assert Cluster(client=client).has_gpus()
        results = list(run_shards(client, sum, [[1, 2], [3]], resources={"GPU": 1}))
    assert sorted(visible.values()) == ["3", "5"]
    assert offered == [{"GPU": 1}, {"GPU": 1}]
    assert sorted(result.result or 0 for result in results) == [3, 3]


@pytest.mark.parametrize(
    ("variable", "found"),
    [
        ("1, 0", ["1", "0"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("0,7,1", ["0"]),
        ("GPU-8a3,MIG-7/1/0", ["GPU-8a3", "MIG-7/1/0"]),
    ],
)
def test_gpus_are_those_that_cuda_sees(variable: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.workers.local.installed_gpus", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert gpus() == found


def test_gpus_are_counted_without_the_library_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pynvml.nvmlInit", raising(pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)))
    assert installed_gpus(tmp_path) == 0
    for name in ("nvidia0", "nvidia11", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert installed_gpus(tmp_path) == 2


def test_a_missing_gpu_is_a_usage_error(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog(manifests, "kling", clips_folder(count=1, frames=2), cluster=cluster)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")  # as Slurm sets it for jobs without GPUs
    with pytest.raises(UsageError, match="no GPU is found here"):
        score(manifests, "kling", LITE, device="cuda")


def test_scores_of_two_devices_are_mixed_only_on_request(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While GPU workers are not up yet, a run on the CPU must not supersede scores of a GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("hfv_builder.backends.registry.require", lambda *_: None)
    catalog(manifests, "kling", clips_folder(count=1, frames=2), cluster=cluster)
    paper = load_profile("paper")
    made_on_gpu = resolve(paper, device="cuda").fingerprints[Metric.MOTION]
    row = dict.fromkeys(SCORES.schema.names) | {"clip_id": rows(manifests, CLIPS)[0]["clip_id"], "status": "ok"}
    part = pa.Table.from_pylist([row | {"fingerprint": made_on_gpu}], SCORES.schema)
    manifests.add(SCORES, part, name="x", profile="paper", metric="motion", generator="kling")
    with pytest.raises(UsageError, match=r"motion scores made on cuda.*--device cuda.*--device cpu"):
        score(manifests, "kling", paper)
    with pytest.raises(UsageError, match="are missing or damaged"):
        score(manifests, "kling", paper, device="cpu", cluster=Cluster(workers=0))


def test_a_run_without_gpu_workers_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.workers.dispatch.SILENCE_S", 0.1)
    monkeypatch.setattr("pipelines.workers.dispatch.offered", lookup := Interrupting(looks=2))
    with Cluster(workers=0).connect() as client, pytest.raises(KeyboardInterrupt):
        list(run_shards(client, sum, [[1, 2]], resources={"GPU": 1}))
    assert lookup.answers == [False, False]
    assert "no worker that offers GPU is available" in capsys.readouterr().err


def test_a_run_without_workers_ends_after_its_waiting_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.workers.dispatch.SILENCE_S", 0.1)
    waiting = Cluster(workers=0, wait_min=0.005)
    with (
        waiting.connect() as client,
        pytest.raises(UsageError, match=r"no worker that offers GPU .* for \d s; nothing is"),
    ):
        list(run_shards(client, sum, [[1, 2]], resources={"GPU": 1}, wait_s=waiting.wait_s))
    assert "waiting for one since 0 s" in capsys.readouterr().err


def test_the_waiting_time_depends_on_the_cluster() -> None:
    assert Cluster().wait_s == LOCAL_WAIT_S
    assert Cluster(scheduler="tcp://127.0.0.1:8786").wait_s is None
    assert Cluster(kind="slurm", wait_min=2).wait_s == 120


RUNS = """
import sys
from pipelines.cli import main
where = ["--manifests", sys.argv[1], "--workers", "2"]
sys.exit(main(["score", "--generator", "kling", "--profile", "lite", *where])
         or main(["catalog", "--generator", "pika", "--clips", sys.argv[2], *where]))
"""


def test_nothing_listens_beyond_this_machine(manifests: Manifests, clips_folder: Fill) -> None:
    """The listening sockets of all processes are sampled during two runs."""
    catalog(manifests, "kling", clips_folder(count=2, frames=4), cluster=Cluster(workers=0))
    command = [sys.executable, "-c", RUNS, str(manifests.root), str(clips_folder("pika", count=2, frames=4))]
    addresses = set()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as runs:
        while runs.poll() is None:
            addresses |= _listening(runs.pid)
            time.sleep(0.25)
    assert runs.returncode == 0
    assert addresses, "no listening socket was sampled, so the test checked nothing"
    assert {ip for ip in addresses if not ip_address(ip).is_loopback} == set()


def _listening(pid: int) -> set[str]:
    """Return the addresses that a process and its descendants listen on."""
    addresses = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                sockets = process.net_connections(kind="inet")
                addresses |= {connection.laddr.ip for connection in sockets if connection.status == psutil.CONN_LISTEN}
    return addresses


def test_clients_without_the_certificate_of_the_run_are_refused() -> None:
    with Cluster(workers=1).connect() as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        for other in (address, address.replace("tls://", "tcp://")):
            with pytest.raises((OSError, TypeError, ValueError)), Connection(other, timeout="2s"):
                pass


class Interrupting:
    """Replaces `offered`: looks for workers, and raises KeyboardInterrupt after `looks` times."""

    def __init__(self, looks: int) -> None:
        self.left, self.answers = looks, list[bool]()

    def __call__(self, client: Any, resources: dict[str, float]) -> bool:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.answers.append(offered(client, resources))
        return self.answers[-1]


def test_a_paused_worker_is_not_available() -> None:
    with Cluster(workers=0).connect() as client:
        assert offered(client, {})
        (worker,) = client.cluster.scheduler.workers.values()
        worker.status = Status.paused
        assert not offered(client, {})
        worker.status = Status.running
        known = client.cluster.scheduler_info
        client.wait_for_workers(1)
        assert client.cluster.scheduler_info is known  # else the cluster fails if a worker leaves meanwhile


def test_this_process_offers_a_gpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.workers.local.installed_gpus", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    # What a user may ask for elsewhere: TLS, workers that end before a batch system kills them, a scratch disk, a host.
    users = {"distributed.comm.require-encryption": True, "distributed.worker.lifetime.duration": "1 hour"}
    users |= {"temporary-directory": "/proc/scratch", "distributed.scheduler.contact-address": "tcp://127.0.0.1:9"}
    with dask.config.set(users), Cluster(workers=0).connect(each_a_gpu=True) as client:
        assert [worker.lifetime for worker in client.cluster.workers.values()] == [None]
        assert client.cluster.scheduler.worker_ttl is None  # a laptop that sleeps would lose its only worker
        assert [result.result for result in run_shards(client, sum, [[1, 2]], resources={"GPU": 1})] == [3]


def test_a_damaged_configuration_of_dask_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> None:
        raise ValueError("A dask config file at 'a.yaml' is malformed, original error message:\n\nexpected ','")

    monkeypatch.setattr("dask.config.set", damaged)
    with (
        pytest.raises(UsageError, match=r"A dask config file at 'a\.yaml' is malformed; correct"),
        Cluster(workers=0).connect(),
    ):
        pass
