"""Sessions of signed-in users. A session is bound to the user's token and expires after 30 days without use."""

import asyncio
import hmac
import secrets
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

from review_ui.filter import Filter
from review_ui.users import Role, User, UsersFile, hashed

LIFE_S = 30 * 86400
"""Seconds without a request after which a session ends."""
RENEW_S = 3600
"""Seconds after which the time of the last use is stored again."""
PER_USER = 20
"""Largest number of sessions per name; a new session ends the least recently used one."""
IN_ALL = 2000
"""Largest number of sessions."""
OPEN = "open"
"""`SessionRow.bound` of sessions on a server without users; never equal to a hash."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """The signed-in user of one request."""

    key: str
    """Hash of the cookie, empty for a bearer token. The cookie itself is never stored."""
    name: str
    role: Role
    user: User | None = None
    """The entry of the users file; None on a server without users, where everybody is an adjudicator."""

    def within(self, queue: str, wanted: Filter) -> Filter:
        """Return the filter, restricted to the generators that the user is assigned to; see `User.within`."""
        return wanted if self.user is None else self.user.within(queue, wanted)

    def has_queue(self, queue: str) -> bool:
        """Return whether the user is assigned to this queue."""
        return self.user is None or self.user.has_queue(queue)

    @property
    def appointed(self) -> bool:
        """Whether a users file makes the user an adjudicator."""
        return self.user is not None and self.user.role is Role.ADJUDICATOR


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """A session as it is stored."""

    key: str
    name: str
    bound: str
    """`User.mark` of the user when the session began, or `OPEN`."""
    created_at: int
    """Seconds since 1970."""
    used_at: int
    """Seconds since 1970, up to `RENEW_S` behind."""


class SessionStore(Protocol):
    """Persistent storage of sessions."""

    def sessions(self) -> list[SessionRow]:
        """Return all rows."""

    def put_session(self, row: SessionRow) -> "Future[None]":
        """Add or replace a row."""

    def drop_sessions(self, keys: list[str]) -> "Future[None]":
        """Delete rows."""


class Sessions:
    """Find sessions by cookie and users by bearer token. All methods must be called in the event loop."""

    def __init__(self, users: Mapping[str, User] | UsersFile | None, store: SessionStore) -> None:
        """Load the stored sessions, and delete those that are not valid any more.

        Args:
            users: the users who may sign in; None accepts any name.
            store: the storage of the sessions.
        """
        self._users = users
        self._store = store
        self._rows = {row.key: row for row in store.sessions()}
        self._prune()

    @property
    def users(self) -> Mapping[str, User] | None:
        """The current users; None if any name is accepted."""
        return self._users.current() if isinstance(self._users, UsersFile) else self._users

    async def enter(self, name: str, token: str | None) -> tuple[str, Session] | None:
        """Sign a user in and return the cookie and the session; None for an unknown name or a wrong token.

        Raises:
            sqlite3.Error, NotKept: the session cannot be stored.
        """
        users = self.users
        if users is not None:
            user = users.get(name)
            # Compared for unknown names too, so that the response time does not reveal names.
            known = user.token_hash if user else "0" * 64
            if not hmac.compare_digest(hashed(token or ""), known) or user is None:
                return None
        entry = _entry(users, name)
        if entry is None:
            return None
        bound, role = entry
        cookie, now = secrets.token_urlsafe(32), int(time.time())
        row = SessionRow(key=hashed(cookie), name=name, bound=bound, created_at=now, used_at=now)
        await asyncio.wrap_future(self._store.put_session(row))
        self._rows[row.key] = row
        self._prune()
        return cookie, _session(row, role, users)

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie with the user's current role; None if there is no valid session."""
        users = self.users
        if users is not self._pruned_for:  # the users have changed
            self._prune()
        row = self._rows.get(hashed(cookie))
        if row is None:
            return None
        role = self._role(row, users)
        if role is None:
            self._drop([row.key])
            return None
        now = int(time.time())
        # The last use is in the future if the clock was set back; it is corrected, so that the session can expire.
        if not 0 <= now - row.used_at <= RENEW_S:
            self._touch(row, now)
        return _session(row, role, users)

    def bearer(self, token: str) -> Session | None:
        """Return a session for one request with a bearer token; None if no user has this token."""
        digest = hashed(token)
        for user in (self.users or {}).values():
            if hmac.compare_digest(digest, user.token_hash):
                return Session(key="", name=user.name, role=user.role, user=user)
        return None

    async def leave(self, session: Session) -> None:
        """End a session."""
        if self._rows.pop(session.key, None) is not None:
            await asyncio.wrap_future(self._store.drop_sessions([session.key]))

    def _role(self, row: SessionRow, users: Mapping[str, User] | None) -> Role | None:
        """Return the role of a session's user; None if the session has expired or the user's token has changed."""
        entry = _entry(users, row.name)
        if entry is None or entry[0] != row.bound or time.time() - row.used_at > LIFE_S:
            return None
        return entry[1]

    def _prune(self) -> None:
        """Delete invalid sessions, and the least recently used sessions above the limits."""
        users, now = self.users, int(time.time())
        self._pruned_for = users
        dropped = []
        count: defaultdict[str, int] = defaultdict(int)
        latest = sorted(reversed(self._rows.values()), key=lambda row: min(row.used_at, now), reverse=True)
        for index, row in enumerate(latest):
            count[row.name] += 1
            if count[row.name] > PER_USER or index >= IN_ALL or self._role(row, users) is None:
                dropped.append(row.key)
            elif row.used_at > now:
                self._touch(row, now)
        self._drop(dropped)

    def _touch(self, row: SessionRow, now: int) -> None:
        self._rows[row.key] = replace(row, used_at=now)
        self._store.put_session(self._rows[row.key])

    def _drop(self, keys: list[str]) -> None:
        # Not awaited: a row that is not deleted is found invalid again after a restart.
        for key in keys:
            del self._rows[key]
        if keys:
            self._store.drop_sessions(keys)


def _entry(users: Mapping[str, User] | None, name: str) -> tuple[str, Role] | None:
    """Return `SessionRow.bound` and the role for a new session of this name; None for an unknown name."""
    if users is None:
        return OPEN, Role.ADJUDICATOR
    user = users.get(name)
    return None if user is None else (user.mark, user.role)


def _session(row: SessionRow, role: Role, users: Mapping[str, User] | None) -> Session:
    return Session(key=row.key, name=row.name, role=role, user=users.get(row.name) if users else None)
