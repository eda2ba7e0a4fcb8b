"""Short paths for the sockets of multiprocessing."""

import os
import tempfile

LONGEST_FOLDER = 60
"""Longest path of the temporary folder in bytes, so that the path of a socket in it stays below its limit of 107."""
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 (a folder of random name is made in it)
"""Folders for sockets to try if the path of TMPDIR is longer."""


def shorten_sockets() -> None:
    """Let multiprocessing create its sockets in a folder with a short path if the path of TMPDIR is too long.

    Call it before this process starts its first fork server.
    """
    from multiprocessing.util import get_temp_dir

    default = tempfile.gettempdir()
    if len(os.fsencode(default)) <= LONGEST_FOLDER:
        return
    tempfile.tempdir = next((path for path in SHORT_FOLDERS if os.access(path, os.W_OK | os.X_OK)), default)
    try:
        get_temp_dir()  # multiprocessing keeps the folder of the first call
    finally:
        tempfile.tempdir = default
