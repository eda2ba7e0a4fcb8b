"""Processes on this machine."""

import hashlib
import os
import socket
import uuid
from functools import cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")


def runs(pid: int) -> bool:
    """Return whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@cache
def machine() -> str:
    """Return an id, 16 hex digits, of the machine or container: processes share it if they see each other's pids.

    Host names do not suffice, because containers can have the name of their host, and process ids of their own.
    """
    try:
        known = [BOOT.read_text(encoding="utf-8").strip(), os.readlink(NAMESPACE)]
    except OSError:  # no Linux
        known = [socket.gethostname(), str(uuid.getnode())]
    return hashlib.sha256(" ".join(known).encode()).hexdigest()[:16]
