"""Full, read-only and unmounted disks: one sentence, nothing is lost, and the same command resumes."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.cli import main
from pipelines.score.run import ClipJob, ScoringRun, ShardResult
from pipelines.score.stage import score
from pipelines.score.worker import score_shard
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import rows

Fill = Callable[..., Path]
LITE = load_profile("lite")


class Disk:
    """A small file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "hfv", str(path)], check=True, capture_output=True)

    def change(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True, capture_output=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a file system in memory")
    try:
        mounted = Disk(tmp_path / "disk")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no file system can be mounted here: {error.stderr.decode().strip()}")
    yield mounted
    mounted.unmount()


def test_a_full_disk_stops_the_run_which_resumes_with_more_space(
    disk: Disk, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=4, frames=4)
    manifests = Manifests(disk.path / "manifests")
    catalog(manifests, "kling", folder, cluster=cluster)
    catalogued = rows(manifests, CLIPS)
    with pytest.raises(UsageError, match=r"cannot write to .*No space left on device"):
        score(manifests, "kling", LITE, cluster=cluster)
    assert rows(manifests, CLIPS) == catalogued
    disk.change("size=8m")
    assert score(manifests, "kling", LITE, cluster=cluster).summary["failed"] == 0
    undisturbed = Manifests(tmp_path / "plenty")
    catalog(undisturbed, "kling", folder, cluster=cluster)
    score(undisturbed, "kling", LITE, cluster=cluster)
    assert rows(manifests, SCORES) == rows(undisturbed, SCORES)
    assert not list(manifests.local_root.rglob(".hfv-*"))


def test_a_read_only_disk_is_a_usage_error(
    disk: Disk, clips_folder: Fill, capsys: pytest.CaptureFixture[str], cluster: Cluster
) -> None:
    folder = clips_folder(count=2, frames=4)
    disk.change("size=8m")
    manifests = Manifests(disk.path)
    catalog(manifests, "kling", folder, cluster=cluster)
    score(manifests, "kling", LITE, cluster=cluster)
    disk.change("ro")
    for command in (
        ["catalog", "--generator", "kling", "--clips", str(folder)],
        ["score", "--generator", "kling", "--profile", "lite"],
        ["label"],
    ):
        assert main([*command, "--manifests", str(disk.path)]) == 2
        assert f"cannot write to {disk.path}" in capsys.readouterr().err
    assert main(["status", "--manifests", str(disk.path)]) == 0


def test_clips_that_are_unmounted_during_a_run(
    disk: Disk, clips_folder: Fill, tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=4, frames=4)
    disk.change("size=8m")
    clips = disk.path / "kling"
    shutil.copytree(folder, clips)
    manifests = Manifests(tmp_path / "manifests")
    catalog(manifests, "kling", clips, cluster=cluster)
    catalogued = rows(manifests, CLIPS)

    def score_then_unmount(shard: list[ClipJob], *, run: ScoringRun) -> ShardResult:
        report = score_shard(shard, run=run)
        if os.path.ismount(disk.path):
            disk.unmount()
        return report

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.score.execution.score_shard", score_then_unmount)
        with pytest.raises(UsageError, match=r"are not accessible .*mount the folder and run the same command again"):
            score(manifests, "kling", LITE, cluster=Cluster(workers=0))
    scored = rows(manifests, SCORES)
    assert [row["status"] for row in scored] == ["ok"] * 3
    with pytest.raises(UsageError, match="does not exist"):
        catalog(manifests, "kling", clips, cluster=cluster)
    assert rows(manifests, CLIPS) == catalogued
    with contextlib.suppress(FileExistsError):
        shutil.copytree(folder, clips)
    summary = score(manifests, "kling", LITE, cluster=cluster).summary
    assert (summary["scored_now"], summary["failed"]) == (3, 0)
    assert [row for row in rows(manifests, SCORES) if row["clip_id"] == scored[0]["clip_id"]] == scored
