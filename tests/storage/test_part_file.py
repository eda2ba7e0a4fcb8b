"""Part files are written whole or not at all."""

from pathlib import Path

import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.part_file import part_file, require_folder


def test_a_file_appears_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clip.mp4"
    with part_file(path) as part:
        part.write_text("whole", encoding="utf-8")
        assert not path.exists()
        assert (part.parent, part.name[0], part.suffix) == (path.parent, ".", ".part")
    assert path.read_text(encoding="utf-8") == "whole"
    assert list(path.parent.iterdir()) == [path]


def write_half(path: Path) -> None:
    with part_file(path) as part:
        part.write_text("half", encoding="utf-8")
        raise OSError("disk full")


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="disk full"):
        write_half(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/below", "a" * 300 + "/below"):
        with pytest.raises(UsageError, match=r"cannot be written \([^)]*\): give another --out"):
            require_folder(tmp_path / name)
