"""Versions and commit in a run report."""

import subprocess
from pathlib import Path

import pytest

from pipelines.versions import _own_revision, revision, versions


def test_versions_are_reported_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("pipelines.versions._own_revision", _own_revision.__wrapped__)  # git is asked once a process
    assert versions()["git"] is None
    assert versions()["python"]


def test_the_commit_is_that_of_the_code_itself(tmp_path: Path) -> None:
    """It is not the commit of a repository around an installed package, and uncommitted changes are marked."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    tracked, untracked = tmp_path / "ours.py", tmp_path / "theirs.py"
    git("init", "--quiet")
    for file in (tracked, untracked):
        file.write_text("1\n")
    git("add", "ours.py")
    git("commit", "--quiet", "--message", "first")
    assert revision(tracked) == git("rev-parse", "HEAD")
    assert revision(untracked) is None
    tracked.write_text("2\n")
    assert revision(tracked) == git("rev-parse", "HEAD") + "-dirty"
