"""What is wrong with single files of a release, and with the clips in its shards."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfv_builder.frames.facts import read_timeline
from hfv_builder.records import ClipError
from hfv_builder.release.layout import SUFFIX
from hfv_builder.release.shards import read_shard
from hfv_builder.storage.checksum import file_sha256


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A clip in a shard."""

    said: dict[str, Any]
    """What the JSON beside it says."""
    sha256: str
    frames: int | None
    """None if it cannot be opened."""
    wrong: list[str]
    """What is wrong with it by itself."""


def check_file(path: Path, expected: str | None) -> tuple[list[str], int | None]:
    """Return what is wrong with one file by itself, and how many frames a clip has; None if it is no clip.

    Only the first frame is decoded: a file of the right checksum that opens and whose packets are all there is the
    released one.
    """
    wrong: list[str] = []
    try:
        if expected is not None and file_sha256(path) != expected:
            wrong.append("its bytes are not those of its checksum")
        if path.suffix == SUFFIX:
            return wrong, len(read_timeline(path))
    except ClipError as error:
        wrong.append(f"it cannot be opened: {error}")
    except OSError as error:
        wrong.append(f"it cannot be read: {why(error)}")
    return wrong, None


def packed_clips(shard: Path) -> Iterator[tuple[str, Packed]]:
    """Yield the clips of a shard by their paths relative to its folder.

    Raises:
        ValueError: it is no shard.
        OSError: it cannot be read, or a clip cannot be unpacked.
    """
    for name, said, clip in read_shard(shard):
        with tempfile.NamedTemporaryFile(prefix="hfv-", suffix=SUFFIX) as copy:
            shutil.copyfileobj(clip, copy)
            copy.flush()
            path = Path(copy.name)
            wrong, frames = check_file(path, None)
            yield name, Packed(said=said, sha256=file_sha256(path), frames=frames, wrong=wrong)


def why(error: OSError) -> str:
    """Return what the system says of a file."""
    return (error.strerror or str(error)).lower()
