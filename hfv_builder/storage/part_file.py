"""Write files atomically."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. It is renamed to `path` after the block, or deleted if the block raises.

    The temporary file is hidden and its name ends in `.part`, so that it is not taken for a clip. The name contains the
    process id, because two workers may render the same clip.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
