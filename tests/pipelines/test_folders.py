"""Folders as they really are: the same rows by whatever path, and nothing that stops a run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import status_of
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import age, rows
from tests.pipelines.test_shared_content import FACTS, clips
from tests.storage.test_folders import refuse

HERE = Cluster(workers=0)


@pytest.fixture(autouse=True)
def _every_file_is_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.catalog.worker.probe", lambda _: FACTS)
    age(monkeypatch)


def paths(manifests: Manifests) -> list[str]:
    return sorted(row["path"] for row in rows(manifests, CLIPS))


def test_one_folder_by_several_paths(manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clips(tmp_path, "clips", "ab")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "inner").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    assert catalog(manifests, "kling", folder, cluster=HERE).summary["read"] == 2
    expected = [str(folder / "a.mp4"), str(folder / "b.mp4")]
    for name in ("link", "./outer/../clips", "outer"):
        outcome = catalog(manifests, "kling", Path(name).absolute(), cluster=HERE)
        assert (outcome.summary["read"], outcome.summary["duplicate"]) == (0, 0)
        assert paths(manifests) == expected


def test_rows_by_other_paths_come_to_their_own(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions kept the path that somebody gave."""
    folder, other = clips(tmp_path, "clips", "ab"), clips(tmp_path, "other", "c")
    (tmp_path / "link").symlink_to(folder)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.catalog.folder.canonical", lambda folder: folder)
        catalog(manifests, "kling", tmp_path / "link", cluster=HERE)
    assert paths(manifests) == [str(tmp_path / "link" / "a.mp4"), str(tmp_path / "link" / "b.mp4")]
    outcome = catalog(manifests, "kling", other, cluster=HERE)
    assert (outcome.summary["ok"], outcome.summary["duplicate"]) == (3, 0)
    assert paths(manifests) == [str(folder / "a.mp4"), str(folder / "b.mp4"), str(other / "c.mp4")]


def test_prompts_of_clips_behind_a_link(manifests: Manifests, tmp_path: Path) -> None:
    disk, folder = clips(tmp_path, "disk", "ab"), clips(tmp_path, "folder", "c")
    (folder / "more").symlink_to(disk)
    (tmp_path / "p.csv").write_text("file,prompt\nmore/a.mp4,a dance\nc.mp4,a run\n")
    catalog(manifests, "kling", folder, prompts=tmp_path / "p.csv", cluster=HERE)
    found = {Path(row["path"]).name: row["prompt"] for row in rows(manifests, CLIPS)}
    assert found == {"a.mp4": "a dance", "b.mp4": None, "c.mp4": "a run"}


def test_a_folder_that_nobody_may_enter(manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clips(tmp_path, "clips", "ab")
    clips(folder, "lost+found", "c")
    catalog(manifests, "kling", folder, cluster=HERE)
    refuse(monkeypatch, "lost+found")
    outcome = catalog(manifests, "kling", folder, cluster=HERE)
    assert outcome.exit_code == 3
    assert outcome.summary["not_entered"] == [{"folder": str(folder / "lost+found"), "reason": "Permission denied"}]
    assert str(folder / "lost+found") in outcome.text
    assert len(paths(manifests)) == 3  # what is known of it stays


def test_manifests_below_their_clips(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "clips", "ab")
    for own in (Manifests(folder / "manifests"), Manifests(folder)):
        catalog(own, "kling", folder, cluster=HERE)
        proxy = own.local_root / "review" / "proxies" / "0123.mp4"
        proxy.parent.mkdir(parents=True)
        shutil.copy(folder / "a.mp4", proxy)
        (own.local_root / "evidence").mkdir()
        shutil.copy(folder / "b.mp4", own.local_root / "evidence" / "0123-spatial.webp")
        outcome = catalog(own, "kling", folder, cluster=HERE)
        assert (outcome.summary["clips"], outcome.exit_code) == (2, 0)
    assert catalog(manifests, "kling", folder, cluster=HERE).summary["clips"] == 2


def test_proxies_that_were_catalogued_go(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "clips", "ab")
    proxies = clips(manifests.local_root / "review", "proxies", "xy")
    catalog(manifests, "kling", proxies, cluster=HERE)  # named outright, they are clips
    assert paths(manifests) == [str(proxies / "x.mp4"), str(proxies / "y.mp4")]
    catalog(manifests, "kling", folder, cluster=HERE)
    assert paths(manifests) == [str(folder / "a.mp4"), str(folder / "b.mp4")]


@pytest.mark.parametrize("years", [1, 100])
def test_files_of_a_future_date_are_read_once(manifests: Manifests, tmp_path: Path, years: int) -> None:
    folder = clips(tmp_path, "clips", "ab")
    now = (folder / "a.mp4").stat().st_mtime
    os.utime(folder / "a.mp4", (now, now + years * 365 * 86_400))
    assert catalog(manifests, "kling", folder, cluster=HERE).summary["read"] == 2
    assert catalog(manifests, "kling", folder, cluster=HERE).summary["read"] == 0


def test_a_clock_that_was_wrong(manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both dates of a file are in the future for good; what changes afterwards is read again all the same."""
    folder = clips(tmp_path, "clips", "ab")
    ahead = 400 * 86_400_000_000_000

    class Ahead:
        def __init__(self, found: os.stat_result) -> None:
            self.st_size, self.st_mtime_ns, self.st_ctime_ns = found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def wrong(found: os.stat_result) -> object:
        stat = Ahead(found)
        stat.st_mtime_ns += ahead
        stat.st_ctime_ns += ahead
        return status_of(stat)  # type: ignore[arg-type]

    monkeypatch.setattr("hfv_builder.storage.folders.status_of", wrong)
    assert catalog(manifests, "kling", folder, cluster=HERE).summary["read"] == 2
    assert catalog(manifests, "kling", folder, cluster=HERE).summary["read"] == 0


def test_names_do_not_steer_the_terminal(manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Callable[[str], Path] = lambda name: clips(tmp_path, name, "a")  # noqa: E731
    odd = folder("odd")
    for number, name in enumerate(("esc\x1b[31m.mp4", "new\nline.mp4", "same\x9b.mp4", "\u202egpj.srt")):
        (odd / name).write_bytes(b"copy" if number else b"first")
    outcome = catalog(manifests, "kling", odd, cluster=HERE)
    text = outcome.terminal(verbose=True)
    assert "new\\nline.mp4" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert len(paths(manifests)) == 4
