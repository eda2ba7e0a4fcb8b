"""Where tasks run: in this process, on workers that die or hang, on a scheduler started by hand, on batch systems."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
from distributed import Client, Status

from hfv_builder.backends.registry import resolve
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.score.stage import score
from pipelines.workers.cluster import LOCAL_WAIT_S, Cluster, offered
from pipelines.workers.dispatch import IN_FLIGHT, run_shards
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import rows
from tests.pipelines.deadly import DeadlyDecoder, add, environment

Fill = Callable[..., Path]
LITE = load_profile("lite")


def parts(manifests: Manifests) -> list[bytes]:
    """The bytes of all parts of scores."""
    return [path.read_bytes() for path in sorted((manifests.local_root / "scores").rglob("*.parquet"))]


@pytest.mark.usefixtures("cluster")  # its workers' imports are there already for those of the tests
def test_an_item_that_kills_its_worker_is_found_and_the_others_are_done() -> None:
    with Cluster(workers=1).connect() as client:
        shards: Any = ([at, at + 1, at + 2, at + 3] for at in range(0, 12, 4))
        done = list(run_shards(client, partial(add, deadly=6), shards))
    lost = [each for each in done if each.error]
    assert [each.items for each in lost] == [[6]]
    assert "killed its worker" in str(lost[0].error)
    assert sorted(item for each in done if not each.error for item in each.items) == [*range(6), *range(7, 12)]


def test_only_a_window_of_shards_is_ahead(cluster: Cluster) -> None:
    taken = 0

    def shards() -> Iterator[list[int]]:
        nonlocal taken
        for taken in range(1, 60):
            yield [taken]

    with cluster.connect() as client:
        for done, _ in enumerate(run_shards(client, sum, shards())):
            assert taken <= done + IN_FLIGHT * 2
    assert taken == 59


@pytest.mark.usefixtures("cluster")
def test_a_killer_that_takes_its_time_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the driver listens for a result at a time: a hang that its deadline ends."""
    monkeypatch.setattr("pipelines.workers.dispatch.SILENCE_S", 0.2)
    with Cluster(workers=1).connect() as client:
        done = list(run_shards(client, partial(add, deadly=1, after_s=1), iter([[1], [2]])))
    assert sorted((each.items, each.error is None) for each in done) == [([1], False), ([2], True)]


def test_clips_that_crash_or_hang_or_lose_the_gpu_fail_alone(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=6)
    catalog(manifests, "kling", folder, cluster=cluster)
    score(manifests, "kling", LITE, cluster=cluster)
    undisturbed = {row["clip_id"]: row for row in rows(manifests, SCORES, metric="motion")}

    write_clip(folder / "exit.mp4", moving_square(8, seed=80))
    write_clip(folder / "hang.mp4", moving_square(8, seed=81))
    write_clip(folder / "lost.mp4", moving_square(8, seed=82))
    harmed = Manifests(tmp_path / "harmed")
    catalog(harmed, "kling", folder, cluster=cluster)
    names = {row["clip_id"]: Path(row["path"]).name for row in rows(harmed, CLIPS)}
    with Cluster(workers=2).connect() as client:
        client.register_plugin(DeadlyDecoder())
        outcome = score(harmed, "kling", LITE, cluster=Cluster(client=client), deadline_s=5)
    assert outcome.exit_code == 3
    found = rows(harmed, SCORES, metric="motion")
    assert len(found) == len(names) == 9
    for row in found:
        if names[row["clip_id"]] in ("exit.mp4", "hang.mp4", "lost.mp4"):
            assert row["status"] == "failed"
            assert "killed its worker" in row["error"]
            assert "within 5 s" in row["error"]
        else:
            assert row == undisturbed[row["clip_id"]]
    assert len(rows(harmed, SCORES)) == 3 * 9


def test_a_fault_of_ours_is_raised(cluster: Cluster) -> None:
    with cluster.connect() as client, pytest.raises(ZeroDivisionError):
        list(run_shards(client, lambda items: 1 // 0, [[1]]))


def test_no_process_of_its_own_gives_the_same_rows(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=3, broken=True)
    here = Manifests(tmp_path / "here")
    for where, how in ((manifests, cluster), (here, Cluster(workers=0))):
        catalog(where, "kling", folder, cluster=how)
        score(where, "kling", LITE, cluster=how)
    assert parts(here) == parts(manifests)
    assert len(parts(here)) == len(METRICS)


def test_each_gpu_gets_a_worker_that_sees_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert Cluster().has_gpus()
    with Cluster().connect(each_a_gpu=True) as client:
        seen = client.run(environment, "CUDA_VISIBLE_DEVICES")
        offered = [worker["resources"] for worker in client.scheduler_info()["workers"].values()]
        assert Cluster(client=client).has_gpus()
        done = list(run_shards(client, sum, [[1, 2], [3]], resources={"GPU": 1}))
    assert sorted(seen.values()) == ["3", "5"]
    assert offered == [{"GPU": 1}, {"GPU": 1}]
    assert sorted(each.result or 0 for each in done) == [3, 3]


def test_a_gpu_that_is_not_there_is_told(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog(manifests, "kling", clips_folder(count=1), cluster=cluster)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UsageError, match="no GPU is found here"):
        score(manifests, "kling", LITE, device="cuda")


def test_scores_of_two_devices_are_not_mixed_unasked(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler whose GPU workers are not there yet must not make a run on the CPU supersede the scores of a GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("hfv_builder.backends.registry.require", lambda *_: None)
    catalog(manifests, "kling", clips_folder(count=1), cluster=cluster)
    paper = load_profile("paper")
    made_on_gpu = resolve(paper, device="cuda").fingerprints[Metric.MOTION]
    row = dict.fromkeys(SCORES.schema.names) | {"clip_id": rows(manifests, CLIPS)[0]["clip_id"], "status": "ok"}
    part = pa.Table.from_pylist([row | {"fingerprint": made_on_gpu}], SCORES.schema)
    manifests.add(SCORES, part, name="x", profile="paper", metric="motion", generator="kling")
    with pytest.raises(UsageError, match=r"motion scores made on cuda.*--device cuda.*--device cpu"):
        score(manifests, "kling", paper)
    with pytest.raises(UsageError, match="are missing or damaged"):
        score(manifests, "kling", paper, device="cpu", cluster=Cluster(workers=0))


def test_work_for_a_gpu_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.workers.dispatch.SILENCE_S", 0.1)
    monkeypatch.setattr("pipelines.workers.dispatch.offered", patient := Patient(looks=2))
    with Cluster(workers=0).connect() as client, pytest.raises(KeyboardInterrupt):
        list(run_shards(client, sum, [[1, 2]], resources={"GPU": 1}))
    assert patient.seen == [False, False]
    assert "no worker that offers GPU is available" in capsys.readouterr().err


def test_a_run_without_workers_ends_after_the_time_it_was_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.workers.dispatch.SILENCE_S", 0.1)
    where = Cluster(workers=0, wait_min=0.005)
    with (
        where.connect() as client,
        pytest.raises(UsageError, match=r"no worker that offers GPU .* for \d s; nothing is"),
    ):
        list(run_shards(client, sum, [[1, 2]], resources={"GPU": 1}, wait_s=where.wait_s))
    assert "waiting for one since 0 s" in capsys.readouterr().err


def test_how_long_a_run_waits_for_workers() -> None:
    assert Cluster().wait_s == LOCAL_WAIT_S
    assert Cluster(scheduler="tcp://127.0.0.1:8786").wait_s is None
    assert Cluster(kind="slurm", wait_min=2).wait_s == 120


def test_nothing_listens_beyond_this_machine(clips_folder: Fill, tmp_path: Path) -> None:
    """Every listening socket of a whole run's processes, sampled while the run lasts."""
    clips_folder(count=6)
    hfv = [sys.executable, "-m", "pipelines.cli"]
    where = ["--generator", "kling", "--manifests", str(tmp_path / "manifests"), "--workers", "2"]
    addresses = set()
    for stage in (["catalog", "--clips", str(tmp_path / "clips")], ["score", "--profile", "lite"]):
        with subprocess.Popen([*hfv, *stage, *where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            while run.poll() is None:
                addresses |= _listening(run.pid)
                time.sleep(0.25)
        assert run.returncode == 0
    assert addresses, "no listening socket was seen: the test looked at nothing"
    assert {ip for ip in addresses if not ip_address(ip).is_loopback} == set()


def _listening(pid: int) -> set[str]:
    """The addresses that this process and all below it listen on."""
    found = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                sockets = process.net_connections(kind="inet")
                found |= {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    return found


def test_who_has_no_certificate_of_the_run_cannot_use_its_workers() -> None:
    with Cluster(workers=1).connect() as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        for other in (address, address.replace("tls://", "tcp://")):
            with pytest.raises((OSError, TypeError, ValueError)), Client(other, timeout="2s"):
                pass


class Patient:
    """Looks for workers, and presses Ctrl-C after so many times."""

    def __init__(self, looks: int) -> None:
        self.left, self.seen = looks, list[bool]()

    def __call__(self, client: Any, resources: dict[str, float]) -> bool:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.seen.append(offered(client, resources))
        return self.seen[-1]


def test_a_paused_worker_is_not_at_work() -> None:
    with Cluster(workers=0).connect() as client:
        assert offered(client, {})
        (worker,) = client.cluster.scheduler.workers.values()
        worker.status = Status.paused
        assert not offered(client, {})
        worker.status = Status.running


def test_a_gpu_is_worked_on_in_this_process_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with Cluster(workers=0).connect(each_a_gpu=True) as client:
        assert [each.result for each in run_shards(client, sum, [[1, 2]], resources={"GPU": 1})] == [3]


def test_no_scheduler_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.workers.cluster.PATIENCE", "1s")
    with (
        pytest.raises(UsageError, match="no Dask scheduler responds at"),
        Cluster(scheduler="tcp://127.0.0.1:9").connect(),
    ):
        pass


def test_a_batch_system_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with (
        pytest.raises(UsageError, match=r"--cluster slurm needs another package: pip install -e '\.\[batch\]'"),
        Cluster(kind="slurm").connect(),
    ):
        pass
