"""Locks: two commands started by mistake on the same manifests do no harm."""

import contextlib
import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfv_builder.places import Place, put, read, unwritable, writable
from hfv_builder.records import UsageError

if TYPE_CHECKING:
    from upath import UPath

LEASE_S = 30.0
"""How long the holder of a lock in a store may be silent before it counts as dead."""


@contextlib.contextmanager
def lock(folder: Place, name: str) -> Iterator[None]:
    """Hold the lock `name` of the folder while the block runs.

    The system gives a lock on this machine back when its holder dies. In a store it is an object that its holder
    writes anew all the time; whoever finds it waits to see whether somebody does.

    Raises:
        UsageError: another process holds it.
    """
    path = writable(folder) / f".lock-{name}"
    busy = UsageError(f"another hfv is at work on {name} in {folder}; wait until it ends")
    with _of_system(path, busy) if isinstance(path, Path) else _of_store(path, busy):
        yield


@contextlib.contextmanager
def _of_system(path: Path, busy: UsageError) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise busy from None
        yield


@contextlib.contextmanager
def _of_store(path: "UPath", busy: UsageError) -> Iterator[None]:
    owner = {"id": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid()}

    def sign() -> str:
        return json.dumps(owner | {"at": time.time()})

    while not _create(path, sign()):
        held = _holder(path)
        if _is_alive(path, held):
            raise busy
        if _holder(path) == held:
            path.fs.rm_file(path.path)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(LEASE_S / 3):
            with contextlib.suppress(Exception):  # a store may be away for a while
                put(path, sign())

    renewing = threading.Thread(target=renew, daemon=True, name="lock")
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        if owner.items() <= _holder(path).items():
            path.fs.rm_file(path.path)


def _create(path: "UPath", content: str) -> bool:
    """Make the object, unless there is one."""
    try:
        path.fs.pipe_file(path.path, content.encode(), mode="create")
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(path.parent, error) from None
    return True


def _holder(path: "UPath") -> dict[str, Any]:
    """What the holder wrote; nothing if there is none."""
    try:
        held: dict[str, Any] = json.loads(read(path))
    except FileNotFoundError:
        held = {}
    return held


def _is_alive(path: "UPath", held: dict[str, Any]) -> bool:
    """Whether somebody renews the lock."""
    if held and held["host"] == socket.gethostname():
        return _runs(held["pid"]) and time.time() - held["at"] < LEASE_S
    if held:
        print(f"{path} is held; waiting {LEASE_S:g} s to see whether {held['host']} is alive", file=sys.stderr)
        time.sleep(LEASE_S)
    return _holder(path) != held


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
