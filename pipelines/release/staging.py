"""The folder in which a release is made, until it is whole."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hfv_builder.records import UsageError
from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.lock import lock
from hfv_builder.storage.part_file import part_file
from hfv_builder.storage.places import sync
from hfv_builder.storage.precautions import flush

URL = re.compile(r"[a-z][a-z0-9+.-]+:/")
"""How a URL begins that was taken for a path."""
WORK = ".work"
"""The folder of what is known of finished shards; it goes away at the end."""
DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What systems say of disks that take no more."""


@dataclass(frozen=True, kw_only=True)
class Staging:
    """A release on its way."""

    folder: Path
    """Where it is made; its name ends in `.incomplete`."""
    final: Path
    """What it becomes."""

    @property
    def lock(self) -> tuple[Path, str]:
        """Return folder and name of the lock that is held meanwhile."""
        return self.final.parent, f"release-{self.final.name}"

    def write(self, path: str, content: str | bytes) -> None:
        """Write a file of the release, whole or not at all.

        Args:
            path: relative to the release.

        Raises:
            UsageError: it cannot be written.
        """
        target = self.folder / path
        with writing(self.final.parent), part_file(target) as part, part.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            flush(file.fileno(), part)

    def drop_others(self, wanted: Iterable[str]) -> None:
        """Delete what an earlier run left here that does not belong to the release.

        Args:
            wanted: the files that do, relative to the release.
        """
        kept = {*wanted}
        with writing(self.final.parent):
            for parent, folders, names in os.walk(self.folder, topdown=False):
                for name in names:
                    path = Path(parent, name)
                    if path.relative_to(self.folder).as_posix() not in kept and path.parent != self.folder / WORK:
                        path.unlink()
                for name in folders:
                    with contextlib.suppress(OSError):  # it is not empty
                        Path(parent, name).rmdir()

    def finish(self) -> None:
        """Give the release its name.

        Raises:
            UsageError: another release of this name is there by now, or the folder cannot be written.
        """
        with writing(self.final.parent):
            shutil.rmtree(self.folder / WORK, ignore_errors=True)
            for parent, _, _ in os.walk(self.folder):
                sync(Path(parent))
            try:
                os.rename(self.folder, self.final)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise exists(self.final) from None
                raise
            sync(self.final.parent)


@contextlib.contextmanager
def staging(out: Path, name: ReleaseName) -> Iterator[Staging]:
    """Yield the folder to make a release in, locked while the block runs.

    Raises:
        UsageError: the release is there already, another command makes it, or the folder cannot be written.
    """
    if URL.match(str(out)):
        raise UsageError(f"{out} cannot hold a release: name a folder of this machine with --out DIR")
    out = out.absolute()
    final = out / name.folder
    if final.exists():
        raise exists(final)
    stage = Staging(folder=out / f"{name.folder}.incomplete", final=final)
    _make(out)
    with lock(*stage.lock, needed=False):
        if final.exists():  # made meanwhile
            raise exists(final)
        _make(stage.folder)
        try:
            yield stage
        finally:
            with contextlib.suppress(OSError):  # it is not empty, or the release by now
                stage.folder.rmdir()


def _make(folder: Path) -> None:
    """Make a folder, or check that it can be written.

    Raises:
        UsageError: it cannot.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "permission denied")


@contextlib.contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn what the system says of a disk in the block into a sentence.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(
            f"cannot write to {out}: {why}; make room, or choose another place with --out DIR; what is done stays, "
            "and the same command goes on from there"
        ) from None


def exists(final: Path) -> UsageError:
    """Return the sentence for a release that is there already."""
    return UsageError(
        f"{final} is there already, and a release is never changed: give another --version (raise its first number "
        "if clips moved or labels changed)"
    )
