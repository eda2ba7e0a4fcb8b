"""File systems that lack a precaution: work goes on without it, and that is said once."""

import errno
import logging
import os
from pathlib import Path

import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage import precautions
from hfv_builder.storage.places import put, sync
from tests.pipelines.conftest import raising

LACKING = [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM]


@pytest.fixture(autouse=True)
def _nothing_said() -> None:
    precautions.TOLD.clear()


@pytest.mark.parametrize("number", LACKING)
@pytest.mark.parametrize("call", ["fsync", "chmod"])
def test_what_a_file_system_lacks_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str, number: int
) -> None:
    monkeypatch.setattr(os, call, raising(OSError(number, os.strerror(number))))
    with caplog.at_level(logging.INFO, "hfv_builder"):
        for name in "ab":
            put(tmp_path / name, b"content")
            sync(tmp_path)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"content"] * 2
    assert len(caplog.records) == 1
    assert os.strerror(number) in caplog.text


def test_a_folder_that_cannot_be_opened_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", raising(PermissionError(errno.EACCES, "Permission denied")))
    sync(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_is_no_file_system_that_lacks_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", raising(OSError(number, os.strerror(number))))
    with pytest.raises(UsageError, match="cannot write to"):
        put(tmp_path / "a", b"content")
    with pytest.raises(OSError, match=os.strerror(number)):
        sync(tmp_path)
    assert not list(tmp_path.iterdir())
