"""Sockets of multiprocessing, whose names must be short."""

import os
import tempfile

LONGEST_FOLDER = 60
"""Bytes of a folder's name below which a socket's name, of 107 bytes at most, has room for its own part."""
SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 (a folder of random name is made in it)
"""Where sockets go if TMPDIR is longer."""


def shorten_sockets() -> None:
    """Let multiprocessing put its sockets where their names fit, which they do not in a long TMPDIR.

    To be called before this process forks from a server for the first time.
    """
    from multiprocessing.util import get_temp_dir

    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= LONGEST_FOLDER:
        return
    tempfile.tempdir = next((each for each in SHORT_FOLDERS if os.access(each, os.W_OK | os.X_OK)), usual)
    try:
        get_temp_dir()  # made once, and then kept
    finally:
        tempfile.tempdir = usual
