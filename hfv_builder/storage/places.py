"""Read and write places: local paths, and URLs in an object store of fsspec, such as `s3://bucket/folder`.

Both have the methods of `pathlib.Path`. This module handles all differences between them.
"""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Union

from hfv_builder.records import UsageError
from hfv_builder.storage.path_text import FILE, path_of
from hfv_builder.storage.precautions import flush, flush_folder, let_others_read
from hfv_builder.storage.processes import machine, runs

if TYPE_CHECKING:
    from upath import UPath

Place = Union[Path, "UPath"]
URL = re.compile(r"[a-z][a-z0-9+.-]*://")
HIDDEN = ".hfv-"
"""Prefix of the names of unfinished files."""
LONGEST_SUFFIX = 16
"""Characters of the suffix of a file's name, with which its copy is named."""
NO_STORES = frozenset(
    {"http", "https", "ftp", "data", "github", "gist", "jupyter", "reference", "zip", "tar", "libarchive"}
)
"""File systems of fsspec that are not object stores: a manifest from others must not make us open web addresses."""


def place(text: str) -> Place:
    """Return the place with this path or URL, without checking whether it exists.

    Paths become absolute, since workers may have another working directory.

    Raises:
        UsageError: it is a URL of an object store without an installed package, or another URL, such as a web address.
    """
    if is_local(text):
        return path_of(text).absolute()
    from upath import UPath

    store, key = text.split("://", 1)
    bucket, slash, rest = key.partition("/")
    is_chain = "::" in store + bucket
    if is_chain or store.split("+")[0] in NO_STORES:
        why = "it is a chain of URLs" if is_chain else f"{store} is not an object store"
        raise UsageError(f"{text} cannot be used: {why}; copy the files to a folder")
    try:
        # Workers write at the same time, so that cached listings would be outdated.
        if "::" in rest:  # joined, so that it is part of the name and does not chain another URL
            url = UPath(f"{store}://{bucket}", use_listings_cache=False).joinpath(rest)
        else:
            url = UPath(f"{store}://{bucket}{slash}{rest}", use_listings_cache=False)
        url.fs  # noqa: B018  # loads the package
    except (ImportError, ValueError) as error:
        cure = "pip install -e '.[s3]'" if store == "s3" else "see fsspec's list of file systems"
        raise UsageError(f"{text} cannot be used: {_reason(error)}; {cure}") from None
    return url


def typed_place(text: str) -> Place:
    """Return the place that a user has typed, as `place` does; repeated slashes count as one.

    In the key of an object they do not, and a path that was listed is that of one object.
    """
    return place(text if is_local(text) else re.sub("(?<!:)/+", "/", text))


def is_local(text: str) -> bool:
    """Return whether this is the text of a local path, not the URL of an object store."""
    return text.startswith(FILE) or not URL.match(text)


def arrow_opens(path: Place) -> bool:
    """Return whether Arrow can open a file by its path: it must be local, and UTF-8 in this locale."""
    return isinstance(path, Path) and not any("\ud800" <= char <= "\udfff" for char in str(path))


@contextlib.contextmanager
def answering(trouble: str) -> Iterator[None]:
    """Raise a UsageError that starts with `trouble` instead of the exceptions of an object store.

    FileNotFoundError and FileExistsError propagate.

    Raises:
        UsageError: the object store does not respond, or denies access.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        # Object stores raise many types, but always through fsspec.
        frames = traceback.walk_tb(error.__traceback__)
        if not any(frame.f_globals.get("__name__", "").startswith("fsspec.") for frame, _ in frames):
            raise
        raise UsageError(
            f"{trouble}: {_reason(error)}; nothing is lost: check the connection to the store and your access to it, "
            "then run the same command again"
        ) from None


def reach(target: Place) -> Place:
    """Return the place if its object store responds.

    Raises:
        UsageError: the object store does not respond.
    """
    if not isinstance(target, Path):
        with contextlib.suppress(FileNotFoundError), answering(f"{target} cannot be reached"):
            target.fs.info(target.path)  # a missing folder is created with its first file
    return target


def read(path: Place) -> bytes:
    """Return the content of a small file, read in one step.

    Raises:
        OSError: the file does not exist or is not accessible.
        UsageError: the object store does not respond.
    """
    if isinstance(path, Path):
        return path.read_bytes()
    with answering(f"{path} cannot be read"):
        # To read parts at once, s3fs asks for the size first.
        options = {"max_concurrency": 1} if "s3" in path.fs.protocol else {}
        return bytes(path.fs.cat_file(path.path, **options))


def listed(folder: "UPath") -> list[str]:
    """Return the paths of all files below a folder of an object store, relative to it; empty if it does not exist.

    Raises:
        UsageError: the object store does not respond.
    """
    with answering(f"{folder} cannot be listed"):
        return [path.removeprefix(f"{folder.path.rstrip('/')}/") for path in folder.fs.find(folder.path)]


def matching(folder: Place, pattern: str) -> list[Place]:
    """Return the files and folders below a folder that match a pattern of `Path.glob`; none if it does not exist.

    In an object store, only files in the folder itself.

    Raises:
        UsageError: the object store does not respond.
    """
    if isinstance(folder, Path):
        return list(folder.glob(pattern))
    # Not `UPath.glob`, which takes brackets and asterisks of the folder's own path for a pattern too.
    return [folder / name for name in listed(folder) if "/" not in name and fnmatchcase(name, pattern)]


def put(path: Place, content: str | bytes | memoryview) -> None:
    """Write a file completely or not at all: locally with a rename, in an object store with one upload.

    Raises:
        UsageError: the file cannot be written; no part of it remains.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if isinstance(path, Path):
            _put_local(path, data)
        else:
            with answering(f"{path} cannot be written"):
                path.fs.pipe_file(path.path, bytes(data))
    except OSError as error:
        raise unwritable(path.parent, error) from None


def _put_local(path: Path, data: bytes | memoryview) -> None:
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
    """Flush a local folder to disk, so that files written with `put` survive a power failure."""
    if isinstance(folder, Path):
        flush_folder(folder)


def remove(path: Place) -> None:
    """Delete a file if it exists.

    Raises:
        OSError: a local file cannot be deleted.
        UsageError: the object store does not respond.
    """
    if isinstance(path, Path):
        path.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError), answering(f"{path} cannot be deleted"):
        path.fs.rm_file(path.path)


def writable(folder: Place) -> Place:
    """Return the folder, after creating it if it does not exist.

    Raises:
        UsageError: the folder is not writable.
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
    """Return the error for a folder that could not be written to."""
    return UsageError(f"cannot write to {folder}: {_reason(error)}; choose another place with --manifests DIR")


@contextlib.contextmanager
def local_copy(path: Place) -> Iterator[Path]:
    """Yield a local file itself, or a temporary copy of a file in an object store.

    Raises:
        OSError: the file does not exist.
        UsageError: the object store does not respond or denies access, or there is no space for the copy.
    """
    if isinstance(path, Path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix=f"{_cleaned(tempfile.gettempdir())}{os.getpid()}-") as folder:
        # Names in a store may be longer than those of files.
        copy = Path(folder, f"copy{path.suffix if len(path.suffix) < LONGEST_SUFFIX else ''}")
        with answering(f"{path} cannot be fetched"):
            try:
                path.fs.get_file(path.path, str(copy))
            except OSError as error:
                blame_disks(path, error)
                raise
        yield copy


@cache
def _cleaned(folder: str) -> str:
    """Delete temporary folders of killed processes, and return the prefix of the names of temporary folders."""
    prefix = f"{HIDDEN}{machine()}-"
    for leftover in Path(folder).glob(f"{prefix}*-*"):
        pid = leftover.name.removeprefix(prefix).split("-")[0]
        if pid.isdecimal() and not runs(int(pid)):
            shutil.rmtree(leftover, ignore_errors=True)
    return prefix


def blame_disks(path: Place, error: Exception) -> None:
    """Raise an error if a disk, not the file, is the reason why a file could not be read.

    Args:
        path: the file.
        error: the exception when reading it.

    Raises:
        UsageError: there is no space for temporary files, or the folder of the file is gone, empty or not accessible.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise UsageError(f"there is no space left in {tempfile.gettempdir()}; free some, or set TMPDIR")
    if not isinstance(path, Path):
        return
    try:
        if path.exists() or any(path.parent.iterdir()):
            return
        why = "is empty"
    except OSError as unreachable:
        why = _reason(unreachable)
    raise UsageError(
        f"the clips in {path.parent} are not accessible ({why}); nothing is lost: mount the folder and run the same "
        "command again, or, if the clips were deleted, run `hfv catalog` again for the folder that contained them"
    )


def _reason(error: Exception) -> str:
    """Return the first line of an exception's message."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")
