"""Places: a path of this machine, or the URL of one in a store that fsspec knows, such as `s3://bucket/folder`.

Both answer to the methods of `pathlib.Path`. What differs between them is here.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from hfv_builder.records import UsageError
from hfv_builder.storage.path_text import FILE, path_of
from hfv_builder.storage.precautions import flush, flush_folder, let_others_read
from hfv_builder.storage.processes import machine, runs

if TYPE_CHECKING:
    from upath import UPath

Place = Union[Path, "UPath"]
URL = re.compile(r"[a-z][a-z0-9+.-]*://")
HIDDEN = ".hfv-"
"""What the names of unfinished files begin with."""
DAY_NS = 86_400_000_000_000
NO_STORES = frozenset(
    {"http", "https", "ftp", "data", "github", "gist", "jupyter", "reference", "zip", "tar", "libarchive"}
)
"""What fsspec can open and is no store: a manifest that somebody else made must not have us open web addresses."""
CHANGED = ("LastModified", "last_modified", "mtime", "updated", "modified")
"""What stores call the time when a file last changed."""


@dataclass(frozen=True)
class FileStatus:
    """Enough to tell whether a file is the one that was read."""

    bytes: int
    changed_ns: int
    """When it last changed, since 1970; far in the future where a store does not say."""


def place(text: str) -> Place:
    """The place that is named so; nobody has looked whether it is there.

    It is absolute, for it travels to workers whose current folder is another.

    Raises:
        UsageError: it is a URL of a store that there is no package for, or of no store, such as a web address.
    """
    if text.startswith(FILE) or not URL.match(text):
        return path_of(text).absolute()
    from upath import UPath

    store, key = text.split("://", 1)
    if store.split("+")[0] in NO_STORES or "::" in text:
        raise UsageError(f"{text} cannot be used: {store} is no store of files; copy them to a folder, and name that")
    try:
        # Workers write beside us, so what was listed once does not hold.
        found = UPath(f"{store}://{re.sub('/+', '/', key)}", use_listings_cache=False)
        found.fs  # noqa: B018  # loads the package
    except (ImportError, ValueError) as error:
        cure = "pip install -e '.[s3]'" if store == "s3" else "see fsspec's list of stores"
        raise UsageError(f"{text} cannot be used: {_told(error)}; {cure}") from None
    return found


@contextlib.contextmanager
def answering(trouble: str) -> Iterator[None]:
    """Turn what a store raises in the block into a sentence; that a file is there or is not is no trouble.

    Raises:
        UsageError: the store does not answer, or not to us.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        # Every store has errors of its own, but all of them come to us through fsspec.
        frames = traceback.walk_tb(error.__traceback__)
        if not any(frame.f_globals.get("__name__", "").startswith("fsspec.") for frame, _ in frames):
            raise
        raise UsageError(
            f"{trouble}: {_told(error)}; nothing is lost: see that the store answers and lets you in, then run the "
            "same command again"
        ) from None


def reach(found: Place) -> Place:
    """The place itself, if its store answers.

    Raises:
        UsageError: it does not.
    """
    if not isinstance(found, Path):
        with contextlib.suppress(FileNotFoundError), answering(f"{found} cannot be reached"):
            found.fs.info(found.path)  # what is not there comes with the first file
    return found


def read(path: Place) -> bytes:
    """A whole small file, as it was at one moment.

    Raises:
        OSError: it is not there, or out of reach.
        UsageError: its store does not answer.
    """
    if isinstance(path, Path):
        return path.read_bytes()
    with answering(f"{path} cannot be read"):
        return bytes(path.fs.cat_file(path.path))


def put(path: Place, content: str | bytes | memoryview) -> None:
    """Write a file so that it is there whole or not at all: here by a rename, in a store by an upload.

    Raises:
        UsageError: it cannot be written; nothing of it is left.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if isinstance(path, Path):
            _put_here(path, data)
        else:
            with answering(f"{path} cannot be written"):
                path.fs.pipe_file(path.path, bytes(data))
    except OSError as error:
        raise unwritable(path.parent, error) from None


def _put_here(path: Path, data: bytes | memoryview) -> None:
    handle, hidden = tempfile.mkstemp(dir=path.parent, prefix=HIDDEN, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            flush(file.fileno(), path)
        let_others_read(Path(hidden))
        os.replace(hidden, path)
    except Exception:
        Path(hidden).unlink(missing_ok=True)
        raise


def sync(folder: Place) -> None:
    """Make what was put into the folder survive a power cut."""
    if isinstance(folder, Path):
        flush_folder(folder)


def writable(folder: Place) -> Place:
    """The folder itself, made if it was not there.

    Raises:
        UsageError: nothing can be written there.
    """
    if isinstance(folder, Path):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(0, "permission denied")
        except OSError as error:
            raise unwritable(folder, error) from None
    return folder


def unwritable(folder: Place, error: Exception) -> UsageError:
    """The sentence for a folder that could not be written to."""
    return UsageError(f"cannot write to {folder}: {_told(error)}; choose another place with --manifests DIR")


@contextlib.contextmanager
def local_copy(path: Place) -> Iterator[Path]:
    """The file itself where it is on this machine; else a copy that lasts as long as the block.

    Raises:
        OSError: it is not there.
        UsageError: its store does not answer, or not to us, or there is no room for the copy: no file is to blame.
    """
    if isinstance(path, Path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix=f"{_swept(tempfile.gettempdir())}{os.getpid()}-") as folder:
        copy = Path(folder, path.name)
        with answering(f"{path} cannot be fetched"):
            try:
                path.fs.get_file(path.path, str(copy))
            except OSError as error:
                blame_disks(path, error)
                raise
        yield copy


@cache
def _swept(folder: str) -> str:
    """What the names of temporary folders begin with; those that killed processes left behind are swept away."""
    prefix = f"{HIDDEN}{machine()}-"
    for left in Path(folder).glob(f"{prefix}*-*"):
        pid = left.name.removeprefix(prefix).split("-")[0]
        if pid.isdecimal() and not runs(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return prefix


def status(path: Place) -> FileStatus:
    """What is known of a file without reading it.

    Raises:
        OSError: it is not there, or out of reach.
        UsageError: its store does not answer.
    """
    if not isinstance(path, Path):
        with answering(f"{path} cannot be reached"):
            return status_in_store(path.fs.info(path.path))
    return status_of(path.stat())


def status_of(found: os.stat_result) -> FileStatus:
    """What the system says of a file of this machine.

    A date in the future says nothing: that of the content can be set to any, and that of the file is wrong where a
    clock was. Up to a day ahead it may be the clock of a file server that is.
    """
    now = int(time.time() * 1e9)
    changed, created = found.st_mtime_ns, found.st_ctime_ns
    return FileStatus(found.st_size, max(changed if changed <= now else 0, created if created <= now + DAY_NS else 0))


def blame_disks(path: Place, error: Exception) -> None:
    """Tell a file that cannot be read from disks that fail around it: of these no file is to blame.

    Raises:
        UsageError: there is no room for temporary files, or the folder of the file is gone, empty, or does not answer.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise UsageError(f"there is no room left in {tempfile.gettempdir()}; make some, or name another with TMPDIR")
    if not isinstance(path, Path):
        return
    try:
        if path.exists() or any(path.parent.iterdir()):
            return
        why = "is empty"
    except OSError as unreachable:
        why = _told(unreachable)
    raise UsageError(
        f"the clips in {path.parent} are out of reach ({why}); nothing is lost: mount it and run the same command "
        "again, or, if they were deleted, `hfv catalog` for the folder that they were catalogued from"
    )


def status_in_store(facts: dict[str, Any]) -> FileStatus:
    """What a store says of a file."""
    changed = next((facts[name] for name in CHANGED if facts.get(name)), None)
    if isinstance(changed, datetime):
        changed = changed.timestamp()
    return FileStatus(facts["size"], int(changed * 1e9) if isinstance(changed, (int, float)) else 1 << 62)


def _told(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")
