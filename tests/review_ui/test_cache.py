"""The folder of proxies: what is deleted from it, and what never is."""

import os
import shutil
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.records import ClipError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.part_file import part_path
from review_ui import cache
from review_ui.cache import Cache
from review_ui.clips import Clips
from review_ui.media import Media

Usage = namedtuple("Usage", "total used free")


def fill(folder: Path, name: int, size: int = 100, age_s: float = 0.0, suffix: str = ".mp4") -> Path:
    """A file of the cache that was used so many seconds ago."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name:016x}{suffix}"
    path.write_bytes(bytes(size))
    used = time.time() - age_s
    os.utime(path, (used, used))
    return path


def left(folder: Path) -> set[int]:
    return {int(path.stem, 16) for path in folder.iterdir()}


def test_the_least_recently_used_go_first_also_after_a_restart(tmp_path: Path) -> None:
    paths = [fill(tmp_path, number, age_s=1000 - number) for number in range(8)]
    kept = Cache(tmp_path, 800)
    assert left(tmp_path) == set(range(8))
    assert kept.has(paths[0])  # it is used now
    kept.add(fill(tmp_path, 9, 250))
    assert left(tmp_path) == {0, 4, 5, 6, 7, 9}
    changed = paths[0].stat().st_mtime_ns
    Cache(tmp_path, 400)
    assert left(tmp_path) == {0, 9}
    assert paths[0].stat().st_mtime_ns == changed  # it makes the ETag
    assert kept.has(paths[3]) is False


def test_what_was_just_used_stays_even_above_the_limit(tmp_path: Path) -> None:
    kept = Cache(tmp_path, 250)
    for number in range(4):
        kept.add(fill(tmp_path, number))
    assert left(tmp_path) == {0, 1, 2, 3}


def test_a_clock_that_was_set_back_keeps_no_file_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, now = Cache(tmp_path, 250), time.time()
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: now + 3600)
        for number in range(3):
            kept.add(fill(tmp_path, number))
    kept.add(fill(tmp_path, 3))
    assert left(tmp_path) == {2, 3}


def test_nothing_else_in_the_folder_is_deleted(tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("decisions.sqlite", "a.mp4", ".hidden", f"{1:016x}.mkv", f"{2:016X}a.mp4")]
    old = tmp_path / ".tmpabc.mp4"
    killed = part_path(tmp_path / f"{3:016x}.mp4", 4_194_304)
    fresh = part_path(tmp_path / f"{4:016x}.webp", 4_194_304)
    for path in (*others, old, killed, fresh):
        path.write_bytes(bytes(100))
    for path in (*others, old, killed):
        os.utime(path, (0, 0))
    Cache(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (*others, fresh)}


def test_a_disk_that_fills_up_is_left_its_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        fill(tmp_path, number, age_s=500 - number)
    free = lambda _: Usage(1000, 0, 700 - 100 * len(list(tmp_path.iterdir())))  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", free)
    Cache(tmp_path, 10**9, floor=500).make_room()
    assert left(tmp_path) == {2, 3}
    with pytest.raises(OSError, match="of the disk are free"):
        Cache(tmp_path, 10**9, floor=900).make_room()
    assert left(tmp_path) == set()


def test_a_full_disk_is_told_and_is_not_the_clips_fault(
    sample: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = Clips(sample)
    row = next(row for row in range(len(clips)) if clips.media_facts(row)["codec"] == "mpeg4")
    media = Media(clips, Cache(tmp_path / "proxies", 10**9))
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 10, 0))
    with pytest.raises(ClipError, match="of the disk are free"):
        media.video(row)
    monkeypatch.setattr(shutil, "disk_usage", real)
    assert media.video(row).path.is_file()
    media.close()


def test_a_proxy_that_was_deleted_is_made_again(
    sample: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "IN_USE_S", 0.0)
    clips = Clips(sample)
    rows = [row for row in range(len(clips)) if clips.media_facts(row)["codec"] == "h264"][:2]
    media = Media(clips, Cache(tmp_path / "proxies", 1))
    served: list[Any] = [media.strip(row).path for row in rows]
    assert not served[0].is_file()
    assert media.strip(rows[0]).path == served[0]
    media.close()
