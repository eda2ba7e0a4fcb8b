"""Locks that prevent two commands from writing the same manifests at once."""

import _thread
import contextlib
import errno
import json
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hfv_builder.records import UsageError
from hfv_builder.storage.places import Place, answering, put, read, remove, unwritable, writable
from hfv_builder.storage.processes import machine, runs

if TYPE_CHECKING:
    from upath import UPath

LEASE_S = 30.0
"""Seconds after which the holder of a lock in an object store counts as dead if it has not renewed the lock."""
POLL_S = 0.05
"""Seconds between two attempts to take a lock."""
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""Error numbers of file systems for a lock that another process holds."""


@contextlib.contextmanager
def lock(folder: Place, name: str, *, needed: bool = True, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock `name` of the folder while the block runs.

    On a file system this is an advisory lock, which the system releases when its holder dies. In an object store it is
    an object that its holder rewrites periodically. Another process takes the lock over if the holder has died or has
    not rewritten the object for `LEASE_S`. A holder that has lost its lock this way is interrupted.

    Args:
        folder: the folder.
        name: what is written there.
        needed: whether the block must not run without a lock, even if the file system has no locks.
        wait_s: how long to wait for another process on a file system.

    Raises:
        UsageError: another process holds the lock or has taken it over, or the file system has no locks.
    """
    path = writable(folder) / f".lock-{name}"
    busy = UsageError(f"another hfv is at work on {name} in {folder}; wait until it ends")
    with _of_system(path, busy, needed=needed, wait_s=wait_s) if isinstance(path, Path) else _of_store(path, busy):
        yield


@contextlib.contextmanager
def _of_system(path: Path, busy: UsageError, *, needed: bool, wait_s: float) -> Iterator[None]:
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise unwritable(path.parent, error) from None
    with file:
        until = time.monotonic() + wait_s
        while failure := _flock(file):
            if failure.errno in HELD:
                if time.monotonic() >= until:
                    raise busy
                time.sleep(POLL_S)
            elif needed:
                raise UsageError(
                    f"the file system of {path.parent} has no locks ({failure.strerror}); choose another place with "
                    "--manifests DIR"
                )
            else:
                break
        yield


def _flock(file: IO[str]) -> OSError | None:
    """Lock a file; return the error if this fails."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error
    return None


@contextlib.contextmanager
def _of_store(path: "UPath", busy: UsageError) -> Iterator[None]:
    owner = {"id": uuid.uuid4().hex, "host": socket.gethostname(), "machine": machine(), "pid": os.getpid()}

    def sign() -> str:
        return json.dumps(owner | {"at": time.time()})

    def is_ours(held: dict[str, Any]) -> bool:
        return owner.items() <= held.items()

    while not _create(path, sign()) and not is_ours(held := _holder(path)):
        if held:
            if _is_alive(path, held):
                raise busy
            # Several processes may find the same dead holder. After a delay, the last writer holds the lock (Fischer's
            # algorithm).
            put(path, sign())
            time.sleep(LEASE_S / 10)
    ended, lost = threading.Event(), threading.Event()
    in_main = threading.current_thread() is threading.main_thread()
    sentence = (
        f"another hfv has taken over {path}, because this one did not renew it for {LEASE_S:g} s; wait until the other "
        "one ends, then run the same command again"
    )

    def renew() -> None:
        while not ended.wait(LEASE_S / 3):
            with contextlib.suppress(Exception):  # a store may be unreachable for a while
                if not is_ours(_holder(path)):
                    lost.set()
                    if in_main and not ended.is_set():
                        _interrupt(sentence)
                    return
                put(path, sign())

    renewing = threading.Thread(target=renew, daemon=True, name="lock")
    renewing.start()
    try:
        yield
    except KeyboardInterrupt:
        if not lost.is_set():
            raise
    finally:
        ended.set()
        renewing.join()
        with contextlib.suppress(Exception):  # a lock that is left behind expires
            if is_ours(_holder(path)):
                remove(path)
            else:
                lost.set()
    if lost.is_set():
        raise UsageError(sentence)


def _interrupt(sentence: str) -> None:
    """Stop the main thread as Ctrl-C does; if SIGINT is ignored, as for a command started with `&`, exit at once."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        print(sentence, file=sys.stderr, flush=True)
        os._exit(2)
    _thread.interrupt_main()


def _create(path: "UPath", content: str) -> bool:
    """Create the object and return True; return False if it exists."""
    try:
        with answering(f"{path} cannot be written"):
            path.fs.pipe_file(path.path, content.encode(), mode="create")
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(path.parent, error) from None
    return True


def _holder(path: "UPath") -> dict[str, Any]:
    """Return the content of the lock object; empty if there is no object."""
    try:
        held: dict[str, Any] = json.loads(read(path))
    except FileNotFoundError:
        held = {}
    return held


def _is_alive(path: "UPath", held: dict[str, Any]) -> bool:
    """Return whether the holder renews the lock; waits for `LEASE_S` if it is on another machine."""
    if held.get("machine") == machine():
        return runs(held["pid"]) and time.time() - held["at"] < LEASE_S
    print(f"{path} is held; waiting {LEASE_S:g} s to see whether {held['host']} is alive", file=sys.stderr)
    time.sleep(LEASE_S)
    return _holder(path) != held
