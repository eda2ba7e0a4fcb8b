"""On file systems without a precaution work continues without it, and a message says so once."""

import errno
import logging
import os
from pathlib import Path

import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage import precautions
from hfv_builder.storage.places import put, sync
from tests.pipelines.conftest import raising

UNSUPPORTED = [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EPERM]


@pytest.fixture(autouse=True)
def _forget_messages() -> None:
    precautions.TOLD.clear()


@pytest.mark.parametrize("code", UNSUPPORTED)
@pytest.mark.parametrize("call", ["fsync", "chmod"])
def test_unsupported_calls_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str, code: int
) -> None:
    monkeypatch.setattr(os, call, raising(OSError(code, os.strerror(code))))
    with caplog.at_level(logging.INFO, "hfv_builder"):
        for name in "ab":
            put(tmp_path / name, b"content")
            sync(tmp_path)
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"content"] * 2
    assert len(caplog.records) == 1
    assert os.strerror(code) in caplog.text


def test_a_folder_that_cannot_be_opened_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", raising(PermissionError(errno.EACCES, "Permission denied")))
    sync(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_failing_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(os, "fsync", raising(OSError(code, os.strerror(code))))
    with pytest.raises(UsageError, match="cannot write to"):
        put(tmp_path / "a", b"content")
    with pytest.raises(OSError, match=os.strerror(code)):
        sync(tmp_path)
    assert not list(tmp_path.iterdir())
