"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """The path to write to; at the end of the block it becomes `path`, or goes away if the block raised.

    Until then the file is hidden and its name ends in `.part`, so nobody takes it for a clip. The process id
    is in it because two workers may be given the same clip.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
