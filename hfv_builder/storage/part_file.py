"""Write files atomically."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hfv_builder.records import UsageError


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
def result_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path as `part_file` does, for a file in a folder that the user chose.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        with part_file(path) as part:
            yield part
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path} cannot be written ({reason}): free space, or give another --out") from None
