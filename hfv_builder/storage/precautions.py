"""Precautions that not every file system has: flushing to the disk, and who may read a file.

They guard against a power cut and let others read. Where a file system lacks one, work goes on without it.
"""

import errno
import logging
import os
from pathlib import Path

LOG = logging.getLogger(__name__)
NO_FLUSH = "files cannot be flushed to the disk, so a power cut may lose the latest"
TOLD: set[str] = set()
"""What this process has said already."""
LACKING = {
    getattr(errno, name)
    for name in ("EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOTTY", "EPERM", "EACCES", "EBADF", "EISDIR", "EROFS")
    if hasattr(errno, name)
}
"""What file systems answer that lack a call. A full or failing disk answers otherwise."""


def flush(handle: int, path: Path) -> None:
    """Flush an open file or folder to the disk, if its file system can.

    Args:
        path: where it is, for the message.

    Raises:
        OSError: the disk is full or failing.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        _skip(error, NO_FLUSH, path)


def flush_folder(folder: Path) -> None:
    """Make what was put into the folder survive a power cut, if its file system can.

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
    """Let everybody read a file and its owner write it, if its file system knows of that.

    Raises:
        OSError: the disk is full or failing, or the file is gone.
    """
    try:
        os.chmod(path, 0o644)
    except OSError as error:
        _skip(error, "files have no permissions to set", path)


def _skip(error: OSError, what: str, path: Path) -> None:
    if error.errno not in LACKING:
        raise error
    if what not in TOLD:
        TOLD.add(what)
        LOG.info("%s: %s (%s); that is skipped", path.parent, what, error.strerror)
