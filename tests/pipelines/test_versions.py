"""What a run report tells of what ran."""

import subprocess
from pathlib import Path

import pytest

from pipelines.versions import revision, versions


def test_versions_are_told_where_there_is_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert versions()["git"] is None
    assert versions()["python"]


def test_the_commit_is_that_of_our_own_code(tmp_path: Path) -> None:
    """Not that of a repository around an installed package; and changes since are told."""

    def git(*arguments: str) -> str:
        as_somebody = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", "-C", tmp_path, *as_somebody, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    ours, theirs = tmp_path / "ours.py", tmp_path / "theirs.py"
    git("init", "--quiet")
    for file in (ours, theirs):
        file.write_text("1\n")
    git("add", "ours.py")
    git("commit", "--quiet", "--message", "first")
    assert revision(ours) == git("rev-parse", "HEAD")
    assert revision(theirs) is None
    ours.write_text("2\n")
    assert revision(ours) == git("rev-parse", "HEAD") + "-dirty"
