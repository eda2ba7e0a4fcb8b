"""The catalogue has a row for every clip, reads files once, and follows changes of the folder."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hfv_builder.storage.replacement
from hfv_builder.records import UsageError
from hfv_builder.storage.file_status import FileStatus, status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.replacement import JOURNAL
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import Done
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import age, rows

Fill = Callable[..., Path]


def test_every_clip_has_a_row(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=4, broken=True)
    (folder / "notes.txt").write_text("not a clip")
    (folder / ".hidden.mp4").write_text("neither")
    (folder / "more").mkdir()
    shutil.copy(folder / "000.mp4", folder / "more" / "copy.mp4")
    outcome = catalog(manifests, "kling", folder, cluster=cluster)

    by_name = {Path(row["path"]).name: row for row in rows(manifests, CLIPS)}
    assert sorted(by_name) == ["000.mp4", "001.mp4", "002.mp4", "003.mp4", "broken.mp4", "copy.mp4"]
    valid = by_name["000.mp4"]
    assert (valid["status"], valid["error"], valid["generator"], valid["is_real"]) == ("ok", None, "kling", False)
    assert (valid["width"], valid["height"], valid["num_frames"], valid["codec"]) == (96, 64, 8, "h264")
    assert valid["clip_id"] == valid["sha256"][:16]
    assert by_name["broken.mp4"]["status"] == "failed"
    assert "FFmpeg cannot read it" in by_name["broken.mp4"]["error"]
    assert by_name["copy.mp4"]["status"] == "duplicate"
    assert by_name["copy.mp4"]["error"] == f"same content as {folder / '000.mp4'}"
    assert outcome.exit_code == 3
    summary = outcome.summary
    assert (summary["ok"], summary["failed"], summary["duplicate"], summary["passed_over"]) == (4, 1, 1, 1)
    quantity = next(row for row in summary["differences"] if row["field"] == "quantity")
    assert (quantity["expected"], quantity["found"]) == (720, 4)


def test_unchanged_files_are_not_read_again(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=3)
    age(monkeypatch)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["read"] == 3
    before = rows(manifests, CLIPS)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["read"] == 0
    assert rows(manifests, CLIPS) == before


def test_rows_follow_changes_of_the_folder(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=3)
    shutil.copy(folder / "000.mp4", folder / "copy.mp4")
    age(monkeypatch)
    catalog(manifests, "kling", folder, cluster=cluster)

    (folder / "000.mp4").unlink()  # its copy becomes the original
    changed = folder / "001.mp4"
    stat = changed.stat()
    changed.write_bytes(changed.read_bytes()[:-1] + b"!")  # same size ...
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # ... and the old date
    write_clip(folder / "new.mp4", moving_square(5, seed=9))
    now = time.time() + 20
    monkeypatch.setattr(time, "time", lambda: now)
    future = int((now - 11) * 1e9)  # a time after the first catalogue by the clock of this test
    os.utime(changed, ns=(future, future))

    catalog(manifests, "kling", folder, cluster=cluster)
    by_name = {Path(row["path"]).name: row for row in rows(manifests, CLIPS)}
    assert sorted(by_name) == ["001.mp4", "002.mp4", "copy.mp4", "new.mp4"]
    assert by_name["copy.mp4"]["status"] == "ok"
    assert by_name["copy.mp4"]["width"] == 96
    import hashlib

    for name, row in by_name.items():
        assert row["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_a_second_folder_adds_rows_and_keeps_the_first(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=2)
    catalog(manifests, "kling", folder, cluster=cluster)
    other = tmp_path / "other"
    write_clip(other / "more.mp4", moving_square(5, seed=9))
    assert catalog(manifests, "kling", other, cluster=cluster).summary["clips"] == 3


@pytest.mark.parametrize("absence", ["gone", "empty", "failing", "behind a link"])
def test_rows_stay_while_their_disk_is_absent(
    manifests: Manifests,
    clips_folder: Fill,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    absence: str,
) -> None:
    age(monkeypatch)
    folder, disk, unplugged = clips_folder(count=2), tmp_path / "disk", tmp_path / "unplugged"
    for seed in (8, 9):
        write_clip(disk / f"{seed}.mp4", moving_square(5, seed=seed))
    if absence == "behind a link":
        (folder / "disk").symlink_to(disk)
    else:
        catalog(manifests, "kling", disk, cluster=cluster)
    catalog(manifests, "kling", folder, cluster=cluster)
    before = rows(manifests, CLIPS)
    assert len(before) == 4

    def failing(path: Path) -> FileStatus:
        if path.is_relative_to(disk):
            raise OSError(errno.EIO, "Input/output error")
        return status(path)

    with monkeypatch.context() as patch:
        if absence == "failing":
            patch.setattr("pipelines.catalog.clip_index.status", failing)
        else:
            disk.rename(unplugged)
        if absence == "empty":
            disk.mkdir()
        outcome = catalog(manifests, "kling", folder, cluster=cluster)
    assert rows(manifests, CLIPS) == before
    assert (outcome.summary["unseen"], outcome.summary["dropped"]) == (2, 0)
    assert "2 rows kept unchecked" in outcome.text
    assert f"delete {manifests.folder(CLIPS, generator='kling')} and catalogue the other folders again" in outcome.text

    if absence != "failing":
        unplugged.rename(disk)
    outcome = catalog(manifests, "kling", folder, cluster=cluster)
    assert rows(manifests, CLIPS) == before
    assert outcome.summary["unseen"] == 0


def test_a_file_that_changed_while_absent_is_read_again(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, disk, unplugged = clips_folder(count=1), tmp_path / "disk", tmp_path / "unplugged"
    clip = write_clip(disk / "a.mp4", moving_square(5, seed=9))
    now = time.time()

    def files_read_at(after_s: int, source: Path) -> int:
        monkeypatch.setattr(time, "time", lambda: now + after_s)
        read: int = catalog(manifests, "kling", source, cluster=cluster).summary["read"]
        return read

    assert files_read_at(100, disk) == 1
    disk.rename(unplugged)
    (unplugged / clip.name).write_bytes((unplugged / clip.name).read_bytes()[:-1] + b"!")
    os.utime(unplugged / clip.name, (now + 200, now + 200))
    assert files_read_at(300, folder) == 1
    unplugged.rename(disk)
    assert files_read_at(400, folder) == 1
    assert files_read_at(500, folder) == 0


def test_deleted_files_lose_their_rows(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder, other = clips_folder(count=1), tmp_path / "other"
    for seed, path in enumerate((other / "a", other / "b", folder / "alone" / "c", folder / "whole" / "d")):
        write_clip(path.with_suffix(".mp4"), moving_square(5, seed=seed + 10))
    catalog(manifests, "kling", other, cluster=cluster)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["clips"] == 5
    (other / "a.mp4").unlink()
    (folder / "alone" / "c.mp4").unlink()  # its folder remains, without files
    shutil.rmtree(folder / "whole")
    outcome = catalog(manifests, "kling", folder, cluster=cluster)
    assert sorted(Path(row["path"]).name for row in rows(manifests, CLIPS)) == ["000.mp4", "b.mp4"]
    assert outcome.summary["unseen"] == 0
    shutil.rmtree(other)  # as if unmounted: rows stay until the partition is deleted, as the message says
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["unseen"] == 1
    shutil.rmtree(manifests.local_root / "clips" / "generator=kling")
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["clips"] == 1


def test_rows_that_dying_workers_wrote_twice_count_once(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(_: Any, work: Any, shards: Any, **_options: Any) -> Iterator[Done[str, None]]:
        for shard in shards:
            work(shard)  # the worker dies before it reports the result
            work(shard[:1])
            yield Done(items=shard[:1])
            yield Done(items=shard[1:2], error="it killed its worker")
            work(shard[2:])
            yield Done(items=shard[2:])

    monkeypatch.setattr("pipelines.catalog.stage.run_shards", dying)
    outcome = catalog(manifests, "kling", clips_folder(count=4), cluster=Cluster(workers=0))
    assert (outcome.summary["clips"], outcome.summary["ok"]) == (4, 4)
    records = rows(manifests, CLIPS)
    assert len(records) == len({row["path"] for row in records}) == 4


def test_a_kill_during_the_replacement_loses_no_row(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new parts have the names of parts that were about to be deleted."""
    folder = clips_folder(count=3)
    recover = hfv_builder.storage.replacement.recover

    def killed(partition: Path, *owner: str) -> None:
        if (partition / JOURNAL).exists():
            raise KeyboardInterrupt
        recover(partition, *owner)

    with monkeypatch.context() as patch:
        patch.setattr(hfv_builder.storage.replacement, "recover", killed)
        with pytest.raises(KeyboardInterrupt):
            catalog(manifests, "kling", folder, cluster=Cluster(workers=0))
    assert catalog(manifests, "kling", folder, cluster=Cluster(workers=0)).summary["read"] == 3
    assert len(rows(manifests, CLIPS)) == 3


def test_camera_footage_stays_real(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    """`make score` catalogues again without --real."""
    folder = clips_folder(count=2)
    catalog(manifests, "mine", folder, real=True, cluster=cluster)
    outcome = catalog(manifests, "mine", folder, cluster=cluster)
    assert [row["is_real"] for row in rows(manifests, CLIPS)] == [True, True]
    assert "mine (real)" in outcome.text


def test_rows_do_not_depend_on_the_number_of_workers(clips_folder: Fill, cluster: Cluster, tmp_path: Path) -> None:
    folder = clips_folder(count=5, broken=True)
    parts = []
    for number, workers in enumerate((Cluster(workers=1), cluster)):  # the latter has two
        manifests = Manifests(tmp_path / f"manifests-{number}")
        catalog(manifests, "kling", folder, cluster=workers)
        (_part,) = manifests.parts(CLIPS, generator="kling")
        parts.append(manifests.read(CLIPS, generator="kling"))
    assert parts[0].equals(parts[1])


def test_links_are_followed_once(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=2)
    (folder / "loop").symlink_to(folder)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["clips"] == 2


def test_wrong_arguments_are_usage_errors(manifests: Manifests, clips_folder: Fill, tmp_path: Path) -> None:
    def refused(sentence: str, generator: str, folder: Path, **options: Any) -> None:
        with pytest.raises(UsageError, match=sentence):
            catalog(manifests, generator, folder, **options)

    folder = clips_folder(count=1)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused("nowhere does not exist.*--clips", "kling", tmp_path / "nowhere")
    refused("no clip in", "kling", empty)
    refused("is not a valid name of a generator", "Kling!", folder)
    refused("says that kling is fake", "kling", folder, real=True)
    refused("cannot be read", "kling", folder, prompts=tmp_path / "nowhere.csv")
    (tmp_path / "p.csv").write_text("name,text\n")
    refused("no column file and prompt", "kling", folder, prompts=tmp_path / "p.csv")
    (tmp_path / "p.csv").write_text("file,prompt\n001.mp4,a dance\n")
    refused(r"p.csv has no prompt for any clip in .*: line 2, '001.mp4'", "kling", folder, prompts=tmp_path / "p.csv")
    (manifests.root / "sources.toml").parent.mkdir(exist_ok=True)
    (manifests.root / "sources.toml").write_text("[x")
    refused("not valid TOML", "kling", folder)
