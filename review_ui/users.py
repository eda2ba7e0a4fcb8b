"""The users file: names, roles and hashed tokens of those who may review."""

import hashlib
import json
import logging
import re
import secrets
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from hfv_builder.clips.sources import check_name
from hfv_builder.records import UsageError
from hfv_builder.storage.toml_file import read_toml
from review_ui.filter import Filter
from review_ui.settings import QUEUES

NAME = re.compile(r"[^\W_]([\w .@'-]{0,38}[\w.@'-])?")
"""Valid names of reviewers without their marks, see `valid_name`. They contain no colon, see
`hfv_builder.labelling.reviews`, and no blank at the end, which signing in removes."""
LONGEST = 40
"""Largest number of characters of a name."""
ADVICE = "make one with `hfv reviews add-user NAME --users FILE`"
FIELDS = ("token_sha256", "role", "generators", "queues")
"""The fields of a user."""
SETTLED_S = 2.5
"""Age in seconds of a file from which any later change gives another modification time on every file system."""
LOG = logging.getLogger(__name__)

Stamp = tuple[int, ...]
UNSETTLED: Stamp = (-1,)


class Role(StrEnum):
    """The role of a user. Adjudicators have all rights of reviewers."""

    REVIEWER = "reviewer"
    ADJUDICATOR = "adjudicator"


@dataclass(frozen=True, kw_only=True)
class User:
    """One entry of the users file."""

    name: str
    token_hash: str
    """SHA-256 of the token in hexadecimal. Tokens are 256 random bits, so a slow password hash is not needed."""
    role: Role
    generators: tuple[str, ...] | None = None
    """The generators whose clips the user is dealt; None deals those of all."""
    queues: tuple[str, ...] | None = None
    """The queues that the user works on; None offers all."""

    def has_queue(self, queue: str) -> bool:
        """Return whether the user is assigned to this queue."""
        return self.queues is None or queue in self.queues

    def within(self, queue: str, wanted: Filter) -> Filter:
        """Return the filter, restricted to the user's generators; the calibration set is the same for everybody."""
        return wanted if queue == "calibration" else replace(wanted, among=self.generators)

    @cached_property
    def mark(self) -> str:
        """Hash of the name and the token, to which sessions of this user are bound."""
        return hashed(f"{self.name}\n{self.token_hash}")


class UsersFile:
    """The users of a file. It is read again when it changes, so removed users and old tokens lose access at once."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            UsageError: the file cannot be read or is invalid.
        """
        self.path = path
        self._stamp = _stamp(path)
        self._reported: Stamp | None = None
        self._users = read_users(path)
        self._settle()

    def current(self) -> Mapping[str, User]:
        """Return the current users. While the file is invalid, return the last valid ones and log a warning once."""
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                # A file of no bytes is one that is being written, or was not for want of space.
                users = read_users(self.path, may_be_empty=stamp[1:2] > (0,))
                if users != self._users:  # keep the object while users are equal: callers compare by identity
                    self._users = users
            except UsageError as error:
                if stamp != self._reported:
                    LOG.warning("%s; the previous users stay valid", str(error).removesuffix(f"; {ADVICE}"))
                self._reported = stamp
            self._settle()
        return self._users

    def _settle(self) -> None:
        # A recently written file may change again with the same modification time, so it must be read once more.
        if self._stamp and abs(time.time() - self._stamp[0] / 1e9) < SETTLED_S:
            self._stamp = UNSETTLED


def _stamp(path: Path) -> Stamp:
    """Return file attributes that change with the content; empty if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns


def valid_name(text: str) -> str | None:
    """Return a name in Unicode normal form C, so that it is the same on all keyboards; None if it is not valid.

    Marks, such as the vowels of Hindi and Thai, are parts of letters.
    """
    name = unicodedata.normalize("NFC", text)
    plain = "".join(char for char in name if not unicodedata.category(char).startswith("M"))
    return name if NAME.fullmatch(plain) and plain[0] == name[0] and len(name) <= LONGEST else None


def hashed(token: str) -> str:
    """Return the SHA-256 of a string in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_users(path: Path, *, may_be_empty: bool = False) -> dict[str, User]:
    """Return the users by name, from a TOML file with a table `[NAME]` per user with `token_sha256` and `role`.

    A user with `generators` or `queues`, lists of names, is dealt only clips of those.

    Raises:
        UsageError: the file cannot be read or is invalid, or has no users and must not be empty.
    """
    try:
        entries = read_toml(path)
    except FileNotFoundError:
        raise UsageError(f"the users in {path} cannot be read: there is no such file; {ADVICE}") from None
    users: dict[str, User] = {}
    holder: dict[str, str] = {}
    for written, entry in entries.items():
        if (name := valid_name(written)) is None:
            raise UsageError(f"{path}: {written!r} is not a valid name; use letters, digits, spaces and . @ ' -")
        if name in users:
            raise UsageError(f"{path}: [{name}] is there twice, in two Unicode forms; delete one")
        if not isinstance(entry, dict) or not re.fullmatch("[0-9a-f]{64}", str(entry.get("token_sha256"))):
            raise UsageError(f"{path}: [{name}] has no token_sha256 of 64 hex digits; {ADVICE}")
        if entry.get("role") not in list(Role):
            raise UsageError(f"{path}: [{name}] has role {entry.get('role')!r}; it must be {' or '.join(Role)}")
        other = sorted(entry.keys() - FIELDS)
        if other:
            raise UsageError(f"{path}: [{name}] has a field {other[0]!r}; the fields are {', '.join(FIELDS)}")
        if (of := holder.setdefault(entry["token_sha256"], name)) != name:
            raise UsageError(f"{path}: [{name}] has the token of [{of}]; delete the entry and {ADVICE}")
        assigned = {field: _names(path, name, field, entry.get(field)) for field in ("generators", "queues")}
        unknown = sorted(set(assigned["queues"] or ()) - set(QUEUES))
        if unknown:
            raise UsageError(f"{path}: [{name}] has queue {unknown[0]!r}; choose from {', '.join(QUEUES)}")
        users[name] = User(name=name, token_hash=entry["token_sha256"], role=Role(entry["role"]), **assigned)
    if not users and not may_be_empty:
        raise UsageError(f"{path} has no users; {ADVICE}")
    return users


def _names(path: Path, name: str, field: str, value: object) -> tuple[str, ...] | None:
    """Return the names of generators or queues in an entry of the users file."""
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise UsageError(f'{path}: {field} of [{name}] must be a list of names, such as ["kling", "pika"]')
    return tuple(value)


def new_user(
    name: str, role: str = "reviewer", *, generators: Sequence[str] = (), queues: Sequence[str] = ()
) -> tuple[str, str]:
    """Return a new token for a user and the TOML lines for the users file.

    Args:
        name: the name of the user.
        role: `reviewer` or `adjudicator`.
        generators: the generators that the user is assigned to; empty for all.
        queues: the queues that the user is assigned to; empty for all.

    Raises:
        UsageError: the name, the role, a generator or a queue is invalid.
    """
    for generator in generators:
        check_name(generator)
    unknown = sorted(set(queues) - set(QUEUES))
    if unknown:
        raise UsageError(f"there is no queue {unknown[0]!r}; choose from {', '.join(QUEUES)}")
    if valid_name(name) is None:
        raise UsageError(f"{name!r} is not a valid name; use letters, digits, spaces and . @ ' -")
    if role not in list(Role):
        raise UsageError(f"there is no role {role!r}; choose {' or '.join(Role)}")
    token = secrets.token_urlsafe(32)
    lines = [f'["{name}"]', f'token_sha256 = "{hashed(token)}"', f'role = "{role}"']
    # A JSON list of strings is one of TOML too.
    lines += [f"{field} = {json.dumps(list(v))}" for field, v in (("generators", generators), ("queues", queues)) if v]
    return token, "\n".join(lines) + "\n"
