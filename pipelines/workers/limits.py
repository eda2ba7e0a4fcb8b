"""Return the cores and the memory that this process may use, by the limits of its container, job, user and kernel."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
CPU_CONTROLLERS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")
"""Folder names of the CPU controller of cgroup v1."""
DRIVER_BYTES = 256 << 20
"""Bytes of memory that the command itself needs."""


def cores(root: Path = ROOT) -> int:
    """Return how many cores this process may use: its CPU affinity, limited by Slurm and the CPU quota of its cgroup.

    A quota of 2.5 cores gives 2, a quota of half a core gives 1. Not every Slurm sets the affinity of a job.

    Args:
        root: the folder that contains `proc` and `sys`.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = _number("SLURM_CPUS_ON_NODE") or allowed
    return max(1, int(min([allowed, granted, *_cpu_quotas(root)])))


def memory(root: Path = ROOT) -> int:
    """Return how many bytes this process and its children may use: the least of machine, cgroup, Slurm and `ulimit -m`.

    Args:
        root: the folder that contains `proc` and `sys`.
    """
    import psutil

    limits: list[int] = [psutil.virtual_memory().total, *_memory_limits(root)]
    if megabytes := _number("SLURM_MEM_PER_NODE") or _number("SLURM_MEM_PER_CPU") * _number("SLURM_CPUS_ON_NODE"):
        limits.append(megabytes << 20)
    if sys.platform != "win32":
        import resource

        limits += [limit for limit in resource.getrlimit(resource.RLIMIT_RSS) if limit > 0]
    return min(limits)


def workers_memory(root: Path = ROOT) -> int:
    """Return how many bytes all workers may use: the memory less that of the command, but at least half."""
    whole = memory(root)
    return max(whole - DRIVER_BYTES, whole // 2)


def workers_that_fit(worker_bytes: int, root: Path = ROOT) -> int:
    """Return how many workers of this size fit into memory, at least 1."""
    return max(1, workers_memory(root) // worker_bytes)


def memory_kills(root: Path = ROOT) -> int:
    """Return how many processes of this cgroup the kernel killed for lack of memory; of the machine if unknown."""
    for folder in _cgroups(root, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            if (count := _counter(folder / name)) is not None:
                return count
    return _counter(root / "proc/vmstat") or 0


def _cpu_quotas(root: Path) -> Iterator[float]:
    for folder in _cgroups(root, *CPU_CONTROLLERS):
        quota, period, *_ = [*_words(folder / "cpu.max"), "", ""]
        if not quota:
            quota = "".join(_words(folder / "cpu.cfs_quota_us"))
            period = "".join(_words(folder / "cpu.cfs_period_us"))
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
            yield int(quota) / int(period)


def _memory_limits(root: Path) -> Iterator[int]:
    for folder in _cgroups(root, "memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            limit = "".join(_words(folder / name))
            if limit.isdecimal() and int(limit):
                yield int(limit)


def _number(variable: str) -> int:
    """Return the value of an environment variable; 0 if it is no number."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else 0


def _cgroups(root: Path, *controllers: str) -> Iterator[Path]:
    """Yield the folders of this process's cgroup and of its parents, which limit it too; version 2 before version 1.

    A container may mount its cgroup as the root, even if `/proc/self/cgroup` lists another path.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    mounted = root / "sys/fs/cgroup"
    tops = {"": [mounted, mounted / "unified"]} | {name: [mounted / name] for name in controllers}
    for names, folders in tops.items():
        paths = [line.split(":", 2)[2] for line in lines if line.count(":") >= 2 and _is_of(line.split(":")[1], names)]
        for top in folders:
            for path in paths or ["/"]:
                inner = top / path.strip("/")
                yield inner
                while inner != top and top in inner.parents:
                    inner = inner.parent
                    yield inner


def _is_of(listed: str, controller: str) -> bool:
    """Return whether a line of `/proc/self/cgroup` with these controllers lists this one; "" means version 2."""
    return {*controller.split(",")} <= {*listed.split(",")} if controller else not listed


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _counter(path: Path) -> int | None:
    words = _words(path)
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words[:-1] else None
