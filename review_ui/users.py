"""Who may review: names, roles and hashed tokens from a file."""

import hashlib
import logging
import re
import secrets
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from hfv_builder.records import UsageError

NAME = re.compile(r"[^\W_][\w .@'-]{0,39}")
"""What a reviewer may be called. Never with a colon: see `hfv_builder.labelling.reviews`."""
ADVICE = "make one with `hfv reviews add-user NAME --users FILE`"
SETTLED_S = 2.5
"""Age from which a change of a file shows in its time of modification on every file system."""
LOG = logging.getLogger(__name__)

Stamp = tuple[int, ...]
UNSETTLED: Stamp = (-1,)


class Role(StrEnum):
    """What a user may do; an adjudicator may do all that a reviewer may."""

    REVIEWER = "reviewer"
    ADJUDICATOR = "adjudicator"


@dataclass(frozen=True, kw_only=True)
class User:
    """One entry of the users file."""

    name: str
    token_hash: str
    """SHA-256 of the token in hex. A token is 256 random bits, so there is no dictionary to slow down."""
    role: Role

    @cached_property
    def mark(self) -> str:
        """Hash of the name and the token: what sessions of this user are bound to."""
        return hashed(f"{self.name}\n{self.token_hash}")


class UsersFile:
    """The users of a file, which is read again when it changes: removed users and old tokens lose access at once."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            UsageError: the file cannot be read or is not right; the sentence says where.
        """
        self.path = path
        self._stamp = _stamp(path)
        self._reported: Stamp | None = None
        self._users = read_users(path)
        self._settle()

    def current(self) -> Mapping[str, User]:
        """Return the users. While the file cannot be read, these are the last that could be; the log says so once."""
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                found = read_users(self.path)
                if found != self._users:  # the same object means the same users
                    self._users = found
            except UsageError as error:
                if stamp != self._reported:
                    LOG.warning("%s; the users read before stay valid", str(error).removesuffix(f"; {ADVICE}"))
                self._reported = stamp
            self._settle()
        return self._users

    def _settle(self) -> None:
        # A file written a moment ago may change again within the tick of the file system's clock: read it once more.
        if self._stamp and abs(time.time() - self._stamp[0] / 1e9) < SETTLED_S:
            self._stamp = UNSETTLED


def _stamp(path: Path) -> Stamp:
    """Return what changes with the contents of a file; empty if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns


def hashed(token: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_users(path: Path) -> dict[str, User]:
    """The users by name, from TOML: a table `[NAME]` each, with token_sha256 and role.

    Raises:
        UsageError: the file cannot be read or is not right; the sentence says where.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"the users in {path} cannot be read: {error}; {ADVICE}") from None
    users = {}
    for name, entry in entries.items():
        if not NAME.fullmatch(name):
            raise UsageError(f"{path}: {name!r} is no name for a reviewer; letters, digits, spaces and . @ ' - will do")
        if not isinstance(entry, dict) or not re.fullmatch("[0-9a-f]{64}", str(entry.get("token_sha256"))):
            raise UsageError(f"{path}: [{name}] has no token_sha256 of 64 hex digits; {ADVICE}")
        if entry.get("role") not in list(Role):
            raise UsageError(f"{path}: [{name}] has role {entry.get('role')!r}; it must be {' or '.join(Role)}")
        users[name] = User(name=name, token_hash=entry["token_sha256"], role=Role(entry["role"]))
    if not users:
        raise UsageError(f"{path} names nobody; {ADVICE}")
    return users


def new_user(name: str, role: str = "reviewer") -> tuple[str, str]:
    """A fresh token for a user, to hand to them, and the lines of TOML that belong in the users file.

    Raises:
        UsageError: the name or the role will not do.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a reviewer; letters, digits, spaces and . @ ' - will do")
    if role not in list(Role):
        raise UsageError(f"there is no role {role!r}; choose {' or '.join(Role)}")
    token = secrets.token_urlsafe(32)
    return token, f'["{name}"]\ntoken_sha256 = "{hashed(token)}"\nrole = "{role}"\n'
