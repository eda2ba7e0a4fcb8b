"""Flush files to disk and set permissions, on file systems that support it.

Flushing protects against a power cut, permissions let others read. On a file system without support, the call is
skipped and logged once.
"""

import errno
import logging
import os
from pathlib import Path

LOG = logging.getLogger(__name__)
NO_FLUSH = "files cannot be flushed to the disk, so a power cut may lose the latest"
TOLD: set[str] = set()
"""Messages that this process has logged."""
LACKING = {
    getattr(errno, name)
    for name in ("EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOTTY", "EPERM", "EACCES", "EBADF", "EISDIR", "EROFS")
    if hasattr(errno, name)
}
"""Error numbers of file systems that do not support a call. A full or failing disk has others."""


def flush(handle: int, path: Path) -> None:
    """Flush an open file or folder to disk, if its file system supports it.

    Args:
        handle: the file descriptor.
        path: the path, for the log.

    Raises:
        OSError: the disk is full or failing.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        _skip(error, NO_FLUSH, path)


def flush_folder(folder: Path) -> None:
    """Flush the entries of a folder to disk, if its file system supports it.

    Raises:
        OSError: the disk is full or failing.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        _skip(error, NO_FLUSH, folder)
        return
    try:
        flush(handle, folder)
    finally:
        os.close(handle)


def let_others_read(path: Path) -> None:
    """Set the permissions of a file to 0644, if its file system supports it.

    Raises:
        OSError: the disk is full or failing, or the file does not exist.
    """
    try:
        os.chmod(path, 0o644)
    except OSError as error:
        _skip(error, "files have no permissions to set", path)


def _skip(error: OSError, problem: str, path: Path) -> None:
    if error.errno not in LACKING:
        raise error
    if problem not in TOLD:
        TOLD.add(problem)
        LOG.info("%s: %s (%s); skipped", path.parent, problem, error.strerror)
