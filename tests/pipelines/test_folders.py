"""Folders with links, unreadable parts, odd dates and names: the same rows by every path, and no run stops."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from hfv_builder.storage.file_status import status_of
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import age, rows
from tests.pipelines.test_shared_content import FACTS, clips
from tests.storage.test_folders import refuse

IN_PROCESS = Cluster(workers=0)


@pytest.fixture(autouse=True)
def _every_file_is_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.catalog.worker.probe", lambda _: FACTS)
    age(monkeypatch)


def paths(manifests: Manifests) -> list[str]:
    return sorted(row["path"] for row in rows(manifests, CLIPS))


def test_a_folder_has_the_same_rows_by_every_path(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips(tmp_path, "clips", "ab")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "inner").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["read"] == 2
    expected = [str(folder / "a.mp4"), str(folder / "b.mp4")]
    for name in ("link", "./outer/../clips", "outer"):
        outcome = catalog(manifests, "kling", Path(name).absolute(), cluster=IN_PROCESS)
        assert (outcome.summary["read"], outcome.summary["duplicate"]) == (0, 0)
        assert paths(manifests) == expected


def test_rows_by_other_paths_get_canonical_paths(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions kept paths as they were given."""
    folder, other = clips(tmp_path, "clips", "ab"), clips(tmp_path, "other", "c")
    (tmp_path / "link").symlink_to(folder)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.catalog.folder.canonical", lambda folder: folder)
        catalog(manifests, "kling", tmp_path / "link", cluster=IN_PROCESS)
    assert paths(manifests) == [str(tmp_path / "link" / "a.mp4"), str(tmp_path / "link" / "b.mp4")]
    outcome = catalog(manifests, "kling", other, cluster=IN_PROCESS)
    assert (outcome.summary["ok"], outcome.summary["duplicate"]) == (3, 0)
    assert paths(manifests) == [str(folder / "a.mp4"), str(folder / "b.mp4"), str(other / "c.mp4")]


def test_prompts_of_clips_behind_a_link(manifests: Manifests, tmp_path: Path) -> None:
    disk, folder = clips(tmp_path, "disk", "ab"), clips(tmp_path, "folder", "c")
    (folder / "more").symlink_to(disk)
    (tmp_path / "p.csv").write_text("file,prompt\nmore/a.mp4,a dance\nc.mp4,a run\n")
    catalog(manifests, "kling", folder, prompts=tmp_path / "p.csv", cluster=IN_PROCESS)
    prompts = {Path(row["path"]).name: row["prompt"] for row in rows(manifests, CLIPS)}
    assert prompts == {"a.mp4": "a dance", "b.mp4": None, "c.mp4": "a run"}


def test_an_unreadable_folder_is_reported_and_keeps_its_rows(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips(tmp_path, "clips", "ab")
    clips(folder, "lost+found", "c")
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    refuse(monkeypatch, "lost+found")
    outcome = catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    assert outcome.exit_code == 3
    assert outcome.summary["not_entered"] == [{"folder": str(folder / "lost+found"), "reason": "Permission denied"}]
    assert str(folder / "lost+found") in outcome.text
    assert len(paths(manifests)) == 3  # rows of the unreadable folder stay


def test_manifests_below_the_clips_are_not_catalogued(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "clips", "ab")
    for below in (Manifests(folder / "manifests"), Manifests(folder)):
        catalog(below, "kling", folder, cluster=IN_PROCESS)
        proxy = below.local_root / "review" / "proxies" / "0123.mp4"
        proxy.parent.mkdir(parents=True)
        shutil.copy(folder / "a.mp4", proxy)
        (below.local_root / "evidence").mkdir()
        shutil.copy(folder / "b.mp4", below.local_root / "evidence" / "0123-spatial.webp")
        outcome = catalog(below, "kling", folder, cluster=IN_PROCESS)
        assert (outcome.summary["clips"], outcome.exit_code) == (2, 0)
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["clips"] == 2


def test_rows_of_proxies_are_removed(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "clips", "ab")
    proxies = clips(manifests.local_root / "review", "proxies", "xy")
    catalog(manifests, "kling", proxies, cluster=IN_PROCESS)  # given as the folder of clips, they are clips
    assert paths(manifests) == [str(proxies / "x.mp4"), str(proxies / "y.mp4")]
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    assert paths(manifests) == [str(folder / "a.mp4"), str(folder / "b.mp4")]


@pytest.mark.parametrize("years", [1, 100])
def test_files_of_a_future_date_are_read_once(manifests: Manifests, tmp_path: Path, years: int) -> None:
    folder = clips(tmp_path, "clips", "ab")
    now = (folder / "a.mp4").stat().st_mtime
    os.utime(folder / "a.mp4", (now, now + years * 365 * 86_400))
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["read"] == 2
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["read"] == 0


def test_files_with_both_dates_in_the_future_are_read_once(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both dates of a file stay in the future; it is read once."""
    folder = clips(tmp_path, "clips", "ab")
    ahead = 400 * 86_400_000_000_000

    class Ahead:
        def __init__(self, stat_result: os.stat_result) -> None:
            self.st_size, self.st_mtime_ns, self.st_ctime_ns = (
                stat_result.st_size,
                stat_result.st_mtime_ns,
                stat_result.st_ctime_ns,
            )

    def status_ahead(stat_result: os.stat_result) -> object:
        stat = Ahead(stat_result)
        stat.st_mtime_ns += ahead
        stat.st_ctime_ns += ahead
        return status_of(stat)  # type: ignore[arg-type]

    monkeypatch.setattr("hfv_builder.storage.folders.status_of", status_ahead)
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["read"] == 2
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["read"] == 0


def test_a_file_replaced_after_the_clock_was_set_back_is_read_again(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "clips", "a")
    with pytest.MonkeyPatch.context() as ahead:
        age(ahead)
        catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    (folder / "a.mp4").write_bytes(b"z" * (folder / "a.mp4").stat().st_size)
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    digest = hashlib.sha256((folder / "a.mp4").read_bytes()).hexdigest()
    assert manifests.read(CLIPS)["sha256"].to_pylist() == [digest]


def test_control_characters_in_names_are_escaped(manifests: Manifests, tmp_path: Path) -> None:
    odd = clips(tmp_path, "odd", "a")
    for number, name in enumerate(("esc\x1b[31m.mp4", "new\nline.mp4", "same\x9b.mp4", "\u202egpj.srt")):
        (odd / name).write_bytes(b"copy" if number else b"first")
    outcome = catalog(manifests, "kling", odd, cluster=IN_PROCESS)
    text = outcome.terminal(verbose=True)
    assert "new\\nline.mp4" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert len(paths(manifests)) == 4
