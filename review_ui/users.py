"""Who may review: names, roles and hashed tokens from a file, and the sessions of those who have come in."""

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hfv_builder.records import UsageError

NAME = re.compile(r"[^\W_][\w .@'-]{0,39}")
"""What a reviewer may be called. Never with a colon: see `hfv_builder.reviews`."""
ADVICE = "make one with `hfv reviews add-user NAME --users FILE`"


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


@dataclass(frozen=True, kw_only=True)
class Session:
    """Somebody who has come in."""

    key: str
    """Hash of the cookie; the cookie itself is never kept."""
    name: str
    role: Role
    csrf: str
    """What the page must send back with everything that changes something."""


class Sessions:
    """The sessions, by cookie or bearer token."""

    def __init__(self, users: Mapping[str, User] | None) -> None:
        """With `users`, only they come in, with their tokens; without, anybody with a name does."""
        self.users = users
        self._sessions: dict[str, Session] = {}

    def enter(self, name: str, token: str | None) -> tuple[str, Session] | None:
        """The cookie and the session of somebody who comes in; None if they may not."""
        role = Role.ADJUDICATOR
        if self.users is not None:
            user = self.users.get(name)
            # Compared even for a name that does not exist, so that names cannot be told by time.
            known = user.token_hash if user else "0" * 64
            if not hmac.compare_digest(hashed(token or ""), known) or user is None:
                return None
            role = user.role
        cookie = secrets.token_urlsafe(32)
        return cookie, self.restore(hashed(cookie), name, role)

    def restore(self, key: str, name: str, role: Role) -> Session:
        """Take in a session by the hash of its cookie."""
        csrf = hmac.new(key.encode(), b"csrf", hashlib.sha256).hexdigest()[:32]
        self._sessions[key] = Session(key=key, name=name, role=role, csrf=csrf)
        return self._sessions[key]

    def find(self, cookie: str) -> Session | None:
        """The session that a cookie stands for; None once its user is gone from the file, or has another role."""
        session = self._sessions.get(hashed(cookie))
        if session is None or self.users is None:
            return session
        user = self.users.get(session.name)
        return session if user is not None and user.role == session.role else None

    def bearer(self, token: str) -> Session | None:
        """A session for one request of a script that sends its token; None if nobody has that token."""
        digest = hashed(token)
        for user in (self.users or {}).values():
            if hmac.compare_digest(digest, user.token_hash):
                return Session(key="", name=user.name, role=user.role, csrf="")
        return None

    def leave(self, session: Session) -> None:
        """Forget a session."""
        self._sessions.pop(session.key, None)


def hashed(token: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_users(path: Path) -> dict[str, User]:
    """The users by name, from TOML: a table `[NAME]` each, with token_sha256 and role.

    Raises:
        UsageError: the file cannot be read or is not right; the sentence says where.
    """
    try:
        entries = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
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
