"""Walking folders with links, loops, unreadable folders, and files that hfv wrote."""

import os
from pathlib import Path

import pytest

from hfv_builder.storage.file_status import status_of
from hfv_builder.storage.folders import Entry, walk
from hfv_builder.storage.path_text import path_text


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def files(folder: Path, manifests: Path | None = None) -> list[str]:
    """Return the paths of the files below the folder, relative to it."""
    entries = (entry for entry in walk(folder, manifests) if entry.status)
    return sorted(entry.path.removeprefix(f"{folder}/") for entry in entries)


def reasons(folder: Path) -> dict[str, str]:
    return {Path(entry.path).name: entry.why for entry in walk(folder) if entry.why}


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make the folder of this name unreadable, even for root."""
    scandir = os.scandir

    def refused(path: str) -> object:
        if os.path.basename(path) == name:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)


def test_hidden_files_are_skipped(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", ".b.mp4", ".c/d.mp4", "._a.mp4", "e/f.mp4")
    assert files(tmp_path) == ["a.mp4", "e/f.mp4"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    root, disk = tmp_path / "root", tmp_path / "disk"
    fill(root, "a.mp4", "z/b.mp4")
    fill(disk, "c.mp4", "deep/d.mp4")
    for name, target in {
        "0-loop": ".",
        "1-up": "..",
        "2-real": "z",  # precedes it by name, but files keep the paths without links
        "3-disk": "../disk",
        "4-disk-again": "../disk/deep",
        "a-link.mp4": "a.mp4",
        "away.mp4": "../disk/c.mp4",
        "dangling.mp4": "no/such/file.mp4",
        "self.mp4": "self.mp4",
        "annex.mp4": ".git/annex/objects/a/b/c.mp4",
    }.items():
        (root / name).symlink_to(target)
    os.symlink("../deep/back", disk / "deep" / "back")
    os.mkfifo(root / "fifo.mp4")
    assert files(root) == sorted(["a.mp4", "z/b.mp4", f"{disk}/c.mp4", f"{disk}/deep/d.mp4"])
    assert {name: why.split(" (")[0] for name, why in reasons(root).items()} == {
        "0-loop": "link to a folder above",
        "1-up": "link to a folder above",
        "a-link.mp4": "link to a file that is listed",
        "away.mp4": "link to a file that is listed",
        "dangling.mp4": "broken link",
        "self.mp4": "broken link",
        "back": "broken link",
        "annex.mp4": "git-annex link without its file",
        "fifo.mp4": "no regular file",
    }
    entered = [entry for entry in walk(root) if entry.link]
    assert entered == [Entry(str(disk), link=str(root / "3-disk"))]


def test_a_link_to_a_file_elsewhere_keeps_its_name(tmp_path: Path) -> None:
    root = tmp_path / "snapshot"
    fill(tmp_path, "blobs/0123")
    root.mkdir()
    (root / "a dance.mp4").symlink_to("../blobs/0123")
    assert files(root) == ["a dance.mp4"]


def test_an_unreadable_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.mp4", "lost+found/b.mp4", "z/c.mp4")
    refuse(monkeypatch, "lost+found")
    assert files(tmp_path) == ["a.mp4", "z/c.mp4"]
    assert [entry for entry in walk(tmp_path) if entry.denied] == [
        Entry(str(tmp_path / "lost+found"), denied="Permission denied")
    ]


def test_the_folder_itself_must_be_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "closed", "a.mp4")
    refuse(monkeypatch, "closed")
    with pytest.raises(PermissionError):
        list(walk(tmp_path / "closed"))


def test_files_of_a_folder_that_may_not_be_entered_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that may be read but not entered shows the names of its files, but no sizes."""
    fill(tmp_path, "a.mp4", "names-only/b.mp4")

    def refused(status: os.stat_result) -> object:
        if status.st_ino == (tmp_path / "names-only" / "b.mp4").stat().st_ino:
            raise PermissionError(13, "Permission denied")
        return status_of(status)

    monkeypatch.setattr("hfv_builder.storage.folders.status_of", refused)
    assert files(tmp_path) == ["a.mp4"]
    assert [entry.denied for entry in walk(tmp_path) if entry.denied] == ["Permission denied"]


def test_manifests_are_not_entered(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "m/review/proxies/0123.mp4", "m/evidence/0123.webp", "clips/generator=evil/b.mp4")
    fill(tmp_path, "trial/clips/generator=g/part-01.parquet", "trial/review/proxies/4567.mp4")
    assert files(tmp_path, tmp_path / "m") == ["a.mp4", "clips/generator=evil/b.mp4"]
    assert files(tmp_path / "trial") == ["clips/generator=g/part-01.parquet"]
    fill(tmp_path, "trial/kling/c.mp4")
    assert files(tmp_path / "trial", tmp_path / "trial") == ["clips/generator=g/part-01.parquet", "kling/c.mp4"]


def test_folders_of_other_programs_are_not_entered(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "@eaDir/a.mp4/SYNOVIDEO.mp4", "$RECYCLE.BIN/b.mp4", "System Volume Information/c.mp4")
    assert files(tmp_path) == ["a.mp4"]
    assert set(reasons(tmp_path).values()) == {"leftover of another program"}


def test_paths_of_different_names_differ(tmp_path: Path) -> None:
    names = [b"caf\xe9.mp4", b"caf\\xe9.mp4", b"caf%E9.mp4", "caf\u00e9.mp4".encode(), b"new\nline.mp4"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(b"x")
    paths = [entry.path for entry in walk(tmp_path)]
    assert len(set(paths)) == len(names)
    assert f"file://{tmp_path}/caf%E9.mp4" in paths
    assert path_text(tmp_path / "caf\u00e9.mp4") in paths
