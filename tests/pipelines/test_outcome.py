"""What a stage ends with."""

import pytest

from pipelines.outcome import versions


def test_versions_are_told_where_there_is_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert versions()["git"] is None
    assert versions()["python"]
