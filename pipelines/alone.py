"""One command at a time writes an output folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hfv_builder.storage.lock import lock
from hfv_builder.storage.part_file import require_writable


@contextlib.contextmanager
def alone(folder: Path, work: str) -> Iterator[None]:
    """Hold the lock of this work on an output folder while the block runs.

    Raises:
        UsageError: another command holds it, or the folder cannot be written.
    """
    require_writable(folder / f".lock-{work}", option="--out")
    with lock(folder, work, needed=False):
        yield
