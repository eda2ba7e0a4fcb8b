"""Catalogue: a row for every file, read once, true to the folder after every change."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.manifest import Manifests
from hfv_builder.records import UsageError
from hfv_builder.schema import CLIPS
from pipelines.catalog import catalog
from pipelines.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import rows

Fill = Callable[..., Path]


def age(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of the folder be old enough to be trusted unread: the clock goes on by ten seconds."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10)


def test_a_row_for_every_file(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=4, broken=True)
    (folder / "notes.txt").write_text("not a clip")
    (folder / ".hidden.mp4").write_text("neither")
    (folder / "more").mkdir()
    shutil.copy(folder / "000.mp4", folder / "more" / "copy.mp4")
    outcome = catalog(manifests, "kling", folder, cluster=cluster)

    found = {Path(row["path"]).name: row for row in rows(manifests, CLIPS)}
    assert sorted(found) == ["000.mp4", "001.mp4", "002.mp4", "003.mp4", "broken.mp4", "copy.mp4"]
    good = found["000.mp4"]
    assert (good["status"], good["error"], good["generator"], good["is_real"]) == ("ok", None, "kling", False)
    assert (good["width"], good["height"], good["num_frames"], good["codec"]) == (96, 64, 8, "h264")
    assert good["clip_id"] == good["sha256"][:16]
    assert found["broken.mp4"]["status"] == "failed"
    assert "FFmpeg cannot read it" in found["broken.mp4"]["error"]
    assert found["copy.mp4"]["status"] == "rejected"
    assert found["copy.mp4"]["error"] == f"same content as {folder / '000.mp4'}"
    assert outcome.exit_code == 3
    summary = outcome.summary
    assert (summary["ok"], summary["failed"], summary["rejected"], summary["passed_over"]) == (4, 1, 1, 1)
    quantity = next(row for row in summary["differences"] if row["field"] == "quantity")
    assert (quantity["expected"], quantity["found"]) == (720, 4)


def test_what_has_not_changed_is_not_read_again(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=3)
    age(folder, monkeypatch)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["read"] == 3
    before = rows(manifests, CLIPS)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["read"] == 0
    assert rows(manifests, CLIPS) == before


def test_the_rows_follow_the_folder(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=3)
    shutil.copy(folder / "000.mp4", folder / "copy.mp4")
    age(folder, monkeypatch)
    catalog(manifests, "kling", folder, cluster=cluster)

    (folder / "000.mp4").unlink()  # its copy now stands for itself
    changed = folder / "001.mp4"
    stat = changed.stat()
    changed.write_bytes(changed.read_bytes()[:-1] + b"!")  # same size ...
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # ... and the old date
    write_clip(folder / "new.mp4", moving_square(5, seed=9))
    now = time.time() + 20
    monkeypatch.setattr(time, "time", lambda: now)
    future = int((now - 11) * 1e9)  # the clock of this test is ahead; let the change be after the first catalogue
    os.utime(changed, ns=(future, future))

    catalog(manifests, "kling", folder, cluster=cluster)
    found = {Path(row["path"]).name: row for row in rows(manifests, CLIPS)}
    assert sorted(found) == ["001.mp4", "002.mp4", "copy.mp4", "new.mp4"]
    assert found["copy.mp4"]["status"] == "ok"
    assert found["copy.mp4"]["width"] == 96
    import hashlib

    for name, row in found.items():
        assert row["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_a_second_folder_adds_and_the_first_stays(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=2)
    catalog(manifests, "kling", folder, cluster=cluster)
    other = tmp_path / "other"
    write_clip(other / "more.mp4", moving_square(5, seed=9))
    assert catalog(manifests, "kling", other, cluster=cluster).summary["clips"] == 3


def test_prompts(manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path) -> None:
    folder = clips_folder(count=3)
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\n000.mp4,A man  runs\n001.mp4,a man runs\n")
    catalog(manifests, "kling", folder, prompts=prompts, cluster=cluster)
    found = {Path(row["path"]).name: (row["prompt"], row["prompt_group"]) for row in rows(manifests, CLIPS)}
    assert found["000.mp4"][0] == "A man  runs"
    assert found["000.mp4"][1] == found["001.mp4"][1] is not None
    assert found["002.mp4"] == (None, None)


def test_the_same_rows_whatever_the_workers(clips_folder: Fill, tmp_path: Path) -> None:
    folder = clips_folder(count=5, broken=True)
    parts = []
    for workers in (1, 2):
        manifests = Manifests(tmp_path / f"manifests-{workers}")
        catalog(manifests, "kling", folder, cluster=Cluster(workers=workers))
        (_part,) = manifests.parts(CLIPS, generator="kling")
        parts.append(manifests.read(CLIPS, generator="kling"))
    assert parts[0].equals(parts[1])


def test_links_are_followed_once(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=2)
    (folder / "loop").symlink_to(folder)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["clips"] == 2


def test_a_name_that_is_no_text(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=1)
    shutil.copy(os.fsencode(folder / "000.mp4"), os.fsencode(folder) + b"/caf\xe9.mp4")
    write_clip(folder / "zebra.mp4", moving_square(5, seed=9))
    catalog(manifests, "kling", folder, cluster=cluster)
    failed = [row for row in rows(manifests, CLIPS) if row["status"] != "ok"]
    assert len(failed) == 1


def test_wrong_use(manifests: Manifests, clips_folder: Fill, tmp_path: Path) -> None:
    def refused(sentence: str, generator: str, folder: Path, **options: Any) -> None:
        with pytest.raises(UsageError, match=sentence):
            catalog(manifests, generator, folder, **options)

    folder = clips_folder(count=1)
    empty = tmp_path / "empty"
    empty.mkdir()
    refused("nowhere is not there.*--clips", "kling", tmp_path / "nowhere")
    refused("no clip in", "kling", empty)
    refused("cannot name a generator", "Kling!", folder)
    refused("says that kling is fake", "kling", folder, real=True)
    refused("cannot be read", "kling", folder, prompts=tmp_path / "nowhere.csv")
    (tmp_path / "p.csv").write_text("name,text\n")
    refused("no column file and prompt", "kling", folder, prompts=tmp_path / "p.csv")
    (manifests.root / "sources.toml").parent.mkdir(exist_ok=True)
    (manifests.root / "sources.toml").write_text("[x")
    refused("not valid TOML", "kling", folder)
