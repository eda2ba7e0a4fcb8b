"""The folder of proxies and film strips: bounded in size, and never the reason that a disk is full."""

import errno
import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

FLOOR = 1 << 30
"""Bytes that stay free on the disk, which may also hold the decisions."""
LEFTOVER_S = 3600.0
"""Age in seconds of unfinished files that are deleted at the start; no file takes that long to make."""
IN_USE_S = 60.0
"""Seconds after its last use for which a file is not deleted: it may be about to be sent."""
MADE = re.compile(r"[0-9a-f]{16}\.(mp4|webp)")
UNFINISHED = re.compile(r"\..+\.(mp4|webp)(\.\d+\.part)?")
"""Names of unfinished files: of `storage.part_file`, and of earlier versions."""


class Cache:
    """Files by name. The least recently used ones are deleted; they are made again when somebody needs them.

    The time of the last use is stored as the access time of a file, so that it survives a restart.
    """

    def __init__(
        self, folder: Path, limit: int, *, floor: int = FLOOR, held: Callable[[str], bool] = lambda name: False
    ) -> None:
        """Open the folder, delete what a killed server left unfinished, and what is above the limit.

        Args:
            folder: the folder, which is created with the first file. Files with other names in it are left alone.
            limit: largest number of bytes of all files together.
            floor: number of bytes that must stay free on the disk.
            held: returns whether a file of this name is in use for longer, and is not deleted; called in any thread.
        """
        self._folder = folder
        self._limit = limit
        self._floor = floor
        self._held = held
        self._lock = threading.Lock()
        self._files: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """Size in bytes and time of the last use, the least recently used file first."""
        self._total = 0
        self._sweep()

    def path(self, name: str) -> Path:
        """Return the path of the file of this name, whether or not it exists."""
        return self._folder / name

    def has(self, path: Path) -> bool:
        """Return whether the file exists, and mark it as used."""
        now = time.time()
        try:
            status = path.stat()
            if not 0 <= now - status.st_atime <= IN_USE_S / 2:
                # The time of change stays, since the ETag of a response is made of it.
                os.utime(path, ns=(int(now * 1e9), status.st_mtime_ns))
        except FileNotFoundError:
            return False
        except OSError:  # a file of somebody else
            return path.is_file()
        with self._lock:
            self._total += status.st_size - self._files.get(path.name, (0, 0.0))[0]
            self._files[path.name] = status.st_size, now
            self._files.move_to_end(path.name)
        return True

    def make_room(self) -> None:
        """Delete files until enough of the disk is free to make another one.

        Raises:
            OSError: the disk is nearly full of other files.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            while self._free() < self._floor:
                if not self._drop():
                    raise OSError(errno.ENOSPC, f"less than {self._floor / 1e9:.1f} GB of the disk are free")

    def add(self, path: Path) -> None:
        """Take a new file in; delete others if there are now too many."""
        if self.has(path):
            with self._lock:
                self._shrink()

    def _sweep(self) -> None:
        now, found = time.time(), []
        with suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if MADE.fullmatch(entry.name):
                        found.append((status.st_atime, entry.name, status.st_size))
                    elif UNFINISHED.fullmatch(entry.name) and now - status.st_mtime > LEFTOVER_S:
                        Path(entry.path).unlink()
        self._files.update((name, (size, used)) for used, name, size in sorted(found))
        self._total = sum(size for size, _ in self._files.values())
        self._shrink()

    def _shrink(self) -> None:
        while self._total > self._limit and self._drop():
            pass

    def _drop(self) -> bool:
        """Delete the least recently used file; return False if all files are in use."""
        for name, (size, used) in self._files.items():
            if 0 <= time.time() - used < IN_USE_S:
                return False  # and so are all that follow
            if self._held(name):
                continue
            del self._files[name]
            self._total -= size
            with suppress(OSError):
                (self._folder / name).unlink()
            return True
        return False

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free
