"""Limits of a container: cores by quota and affinity, memory by limit, with both versions of cgroups."""

import os
import resource
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from hfv_builder.backends.registry import learnt, resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import Metric
from pipelines.score.worker_memory import BASE_BYTES, COPIES, worker_bytes
from pipelines.workers import local
from pipelines.workers.limits import DRIVER_BYTES, cores, memory, memory_kills, workers_memory, workers_that_fit

GB = 10**9


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine of 16 cores and 64 GB."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GB))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for name in ("SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"):
        monkeypatch.delenv(name, raising=False)


def write_files(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


V1 = "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n"


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 16),
        # A quota of the enclosing cgroup, then a smaller one of the cgroup itself.
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "200000 100000\n",
            },
            2,
        ),
        # A container that sees its own cgroup as the root, with the path on the host.
        ({"proc/self/cgroup": "0::/docker/ab\n", "sys/fs/cgroup/cpu.max": "500000 100000\n"}, 5),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "600000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            6,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us": "20000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_period_us": "10000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        ({"proc/self/cgroup": "nonsense\n", "sys/fs/cgroup/cpu.max": "what is this\n"}, 16),
    ],
)
def test_cores_are_limited_by_the_quota(tmp_path: Path, files: dict[str, str], count: int) -> None:
    assert cores(write_files(tmp_path, files)) == count


def test_cores_are_limited_by_the_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    root = write_files(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"})
    assert cores(root) == 2


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, 64 * GB),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 64 * GB),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{GB}\n"}, GB),
        ({"proc/self/cgroup": "0::/x\n", "sys/fs/cgroup/x/memory.high": f"{2 * GB}\n"}, 2 * GB),
        ({"proc/self/cgroup": "0::/x/y\n", "sys/fs/cgroup/x/memory.max": f"{3 * GB}\n"}, 3 * GB),
        ({"proc/self/cgroup": V1, "sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes": f"{GB}\n"}, GB),
        ({"proc/self/cgroup": V1, "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GB}\n"}, GB),
        ({"proc/self/cgroup": V1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 64 * GB),
    ],
)
def test_memory_is_limited_by_the_cgroup(tmp_path: Path, files: dict[str, str], limit: int) -> None:
    assert memory(write_files(tmp_path, files)) == limit


def test_memory_is_limited_by_ulimit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2 * GB, resource.RLIM_INFINITY))
    assert memory(tmp_path) == 2 * GB


@pytest.mark.parametrize(
    ("variables", "count", "limit"),
    [
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_NODE": "8192"}, 4, 8 << 30),
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "1024"}, 4, 4 << 30),
        ({"SLURM_CPUS_ON_NODE": "64", "SLURM_MEM_PER_NODE": "0"}, 16, 64 * GB),
        ({"SLURM_CPUS_ON_NODE": "4(x2)", "SLURM_MEM_PER_NODE": "8G"}, 16, 64 * GB),
    ],
)
def test_jobs_of_slurm_are_limited_by_what_it_granted(
    variables: dict[str, str], count: int, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (cores(tmp_path), memory(tmp_path)) == (count, limit)


def test_kills_for_lack_of_memory_are_counted(tmp_path: Path) -> None:
    assert memory_kills(tmp_path) == 0
    write_files(tmp_path, {"proc/vmstat": "pgfault 7\noom_kill 3\n"})
    assert memory_kills(tmp_path) == 3
    write_files(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.events": "high 0\noom 5\noom_kill 4\n"})
    assert memory_kills(tmp_path) == 4


def test_workers_share_the_memory_without_the_driver(tmp_path: Path) -> None:
    root = write_files(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{GB + DRIVER_BYTES}\n"})
    assert workers_memory(root) == GB
    assert [workers_that_fit(need, root) for need in (GB // 4, GB // 2, GB, 2 * GB)] == [4, 2, 1, 1]
    write_files(root, {"sys/fs/cgroup/memory.max": f"{DRIVER_BYTES}\n"})
    assert workers_memory(root) == DRIVER_BYTES // 2


@pytest.mark.parametrize(
    ("workers", "gpus", "memory_gb", "count"),
    [
        (None, [], 64, 3),  # cores
        (2, [], 64, 2),
        (8, [], 64, 8),
        (None, [], 2, 2),
        (8, [], 2, 2),
        (4, [], 0.3, 1),
        (None, ["0", "1", "2", "3"], 64, 4),
        (None, ["0", "1", "2", "3"], 2, 2),
        (1, ["0", "1"], 64, 1),
    ],
)
def test_workers_are_limited_by_cores_and_memory(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workers: int | None,
    gpus: list[str],
    memory_gb: float,
    count: int,
) -> None:
    available = int(memory_gb * GB)
    monkeypatch.setattr(local, "cores", lambda: 3)
    monkeypatch.setattr(local, "workers_memory", lambda: available)
    monkeypatch.setattr(local, "workers_that_fit", lambda need: max(1, available // need))
    cluster_options = {}
    monkeypatch.setattr("distributed.SpecCluster", lambda **options: cluster_options.update(options))
    local.local_workers(workers, gpus, GB)
    limits = [worker["options"]["memory_limit"] for worker in cluster_options["workers"].values()]
    assert limits == [available // count] * count
    wanted = min(workers or len(gpus), len(gpus)) if gpus else workers or 3
    err = capsys.readouterr().err
    if count < wanted:
        assert err == (
            f"{count} instead of {wanted} workers: a worker needs about 1.0 GB, and {memory_gb:.1f} GB are available "
            "for all of them\n"
        )
    else:
        assert err == ""


def test_memory_of_a_worker_depends_on_the_profile(tmp_path: Path) -> None:
    lite, paper = resolve(load_profile("lite")), resolve(load_profile("paper"), store=WeightsDir(root=tmp_path))
    assert worker_bytes(lite) == BASE_BYTES
    store = WeightsDir(root=tmp_path)
    files = [file.path for name in learnt(paper.profile) for file in store.look(name)]
    assert len(files) > 4
    for path in files:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"1234567890")
    assert worker_bytes(paper, store) == BASE_BYTES + COPIES * 10 * len(files)
    motion = resolve(load_profile("paper"), (Metric.MOTION,), store=store)
    assert worker_bytes(motion, store) == BASE_BYTES + COPIES * 10
