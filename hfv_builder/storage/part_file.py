"""Write files atomically."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hfv_builder.records import UsageError

FULL = (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a full disk; None is that of a library that does not say."""


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. It is renamed to `path` after the block, or deleted if the block raises.

    The temporary file is hidden and its name ends in `.part`, so that it is not taken for a clip. The name contains the
    process id, because two workers may render the same clip.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(path, os.getpid())
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def part_path(path: Path, pid: int) -> Path:
    """Return the temporary path that this process writes to; a process that is killed leaves it behind."""
    return path.with_name(f".{path.name}.{pid}.part")


@contextmanager
def result_file(path: Path, *, option: str = "--out") -> Iterator[Path]:
    """Yield a temporary path as `part_file` does, for a file in a place that the user chose with this option.

    Raises:
        UsageError: the file cannot be written.
    """
    with writing(path, option=option), part_file(path) as part:
        yield part


def require_writable(path: Path, *, option: str) -> None:
    """Check that `result_file` can write a file, before minutes of computation.

    Raises:
        UsageError: it cannot.
    """
    with writing(path, option=option):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_path(path, os.getpid())
        part.touch()
        part.unlink()


def require_folder(folder: Path | None) -> None:
    """Check that files can be written to the folder of --out, or the folder made, without making it.

    Args:
        folder: None is always right.

    Raises:
        UsageError: they cannot.
    """
    if folder is None:
        return
    with writing(folder):
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def writing(path: Path, *, option: str = "--out") -> Iterator[None]:
    """Raise a `UsageError` that names the file and the option instead of an `OSError`."""
    try:
        yield
    except OSError as error:
        cure = "free space, or give another" if error.errno in FULL else "give another"
        raise UsageError(f"{path} cannot be written ({error.strerror or error}): {cure} {option}") from None
