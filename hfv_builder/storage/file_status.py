"""The status of a file: attributes that show whether it has changed."""

import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hfv_builder.storage.places import Place, answering

DAY_NS = 86_400_000_000_000
CHANGED = ("LastModified", "last_modified", "mtime", "updated", "modified")
"""Names of the modification time in the file attributes of object stores."""


@dataclass(frozen=True)
class FileStatus:
    """Attributes that show whether a file has changed."""

    bytes: int
    changed_ns: int
    """Nanoseconds from 1970 to the last change; far in the future if the object store does not report it."""


def status(path: Place) -> FileStatus:
    """Return the attributes of a file without reading it.

    Raises:
        OSError: the file does not exist or is not accessible.
        UsageError: the object store does not respond.
    """
    if not isinstance(path, Path):
        with answering(f"{path} cannot be reached"):
            return status_in_store(path.fs.info(path.path))
    return status_of(path.stat())


def status_of(stat: os.stat_result) -> FileStatus:
    """Return the attributes of a local file.

    Times in the future are ignored: programs can set mtime to any value, and a wrong clock sets a wrong ctime. A ctime
    of up to a day ahead is used, since it may come from the clock of a file server.
    """
    now = int(time.time() * 1e9)
    changed, created = stat.st_mtime_ns, stat.st_ctime_ns
    return FileStatus(stat.st_size, max(changed if changed <= now else 0, created if created <= now + DAY_NS else 0))


def status_in_store(facts: dict[str, Any]) -> FileStatus:
    """Return the attributes of a file in an object store."""
    changed = next((facts[name] for name in CHANGED if facts.get(name)), None)
    if isinstance(changed, datetime):
        changed = changed.timestamp()
    return FileStatus(facts["size"], int(changed * 1e9) if isinstance(changed, (int, float)) else 1 << 62)
