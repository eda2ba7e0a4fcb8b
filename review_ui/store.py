"""The decisions in SQLite: append-only, and flushed to disk before they are acknowledged.

One thread writes. It commits all waiting jobs in one transaction, so that many reviewers share one flush.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from hfv_builder.labelling.decisions import Decision
from hfv_builder.labelling.reviews import in_order
from hfv_builder.records import UsageError
from review_ui import rows
from review_ui.sessions import SessionRow
from review_ui.writer import Writer

APPLICATION_ID = 0x48465652
"""`HFVR`, the SQLite application id of review databases."""
LOCKED_S = 1.0
"""Seconds to wait for another program that has locked the database. The pages send a refused decision again."""
LOG = logging.getLogger(__name__)

TABLES = """
CREATE TABLE leases (
    clip_id TEXT, reviewer TEXT, queue TEXT NOT NULL, expires REAL NOT NULL, PRIMARY KEY (clip_id, reviewer)
) STRICT;
"""

SESSIONS = """
CREATE TABLE sessions (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, bound TEXT NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL
) STRICT;
"""
INFORMED = """
CREATE TABLE IF NOT EXISTS informed (clip_id TEXT, reviewer TEXT, PRIMARY KEY (clip_id, reviewer)) STRICT;
"""
SESSION = [field.name for field in fields(SessionRow)]
DROP_LEASE = "DELETE FROM leases WHERE clip_id = ? AND reviewer = ?"


class DecisionLog(Writer):
    """The database. Every method that writes returns a future that is done once the rows are on disk."""

    def __init__(self, path: Path) -> None:
        """Open the database, or create it.

        Raises:
            UsageError: the file is damaged or not a review database; it is not changed.
        """
        if path.exists() and path.stat().st_size:
            _check(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            _close_to_others(path)
            with closing(_connect(path, "rwc")) as connection:
                if connection.execute("PRAGMA application_id").fetchone()[0] == 0:
                    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {rows.VERSION};"
                    connection.executescript(f"BEGIN; {marks} {rows.TABLES} {TABLES} COMMIT;")
                rows.upgrade(connection)
                _renew_sessions(connection)
                connection.executescript(INFORMED)
            # Opened without creating it: if the file disappears, an empty database must not replace it.
            super().__init__(path, lambda: _connect(path, "rw"))
        except (sqlite3.Error, OSError) as error:
            raise UsageError(
                f"the decisions in {path} cannot be opened ({error}), and nothing in it was changed; check who may "
                "write there, or, if the file system is one of a network, give a file on a local disk with --db FILE"
            ) from None

    def add(self, decision: Decision) -> "Future[Decision]":
        """Store a decision and delete the lease that it ends.

        The future returns the decision stored under its id, which is another one if the id was taken.
        """

        def job(connection: sqlite3.Connection) -> Decision:
            return _insert(connection, decision)

        return self._submit(job)

    def add_all(self, decisions: Iterable[Decision]) -> "Future[None]":
        """Store decisions; those whose ids are stored already are ignored."""
        given = list(decisions)

        def job(connection: sqlite3.Connection) -> None:
            rows.insert_all(connection, given)

        return self._submit(job)

    def put_overlap(self, overlap: int) -> "Future[None]":
        """Store the planned number of reviewers per clip."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('overlap', ?)", [str(overlap)])

        return self._submit(job)

    def put_leases(self, leases: list[tuple[str, str, str, float]]) -> "Future[None]":
        """Store leases (clip_id, reviewer, queue, expires) for a restart."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", leases)

        return self._submit(job)

    def drop_leases(self, leases: list[tuple[str, str]]) -> "Future[None]":
        """Delete leases (clip_id, reviewer)."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(DROP_LEASE, leases)

        return self._submit(job)

    def put_informed(self, informed: list[tuple[str, str]]) -> "Future[None]":
        """Store that reviewers have seen the suggestions of clips (clip_id, reviewer) before answering."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR IGNORE INTO informed VALUES (?, ?)", informed)

        return self._submit(job)

    def put_session(self, row: SessionRow) -> "Future[None]":
        """Store a session, or replace it."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)", astuple(row))

        return self._submit(job)

    def drop_sessions(self, keys: list[str]) -> "Future[None]":
        """Delete sessions by the hashes of their cookies."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM sessions WHERE key = ?", [[key] for key in keys])

        return self._submit(job)

    def decisions(self) -> list[Decision]:
        """Return all decisions, undos included, sorted by `Decision.order`."""
        return in_order(map(rows.from_row, self._read(rows.SELECT)))

    def overlap(self) -> int:
        """Return the planned number of reviewers per clip; 1 if it is not stored."""
        return int(next(iter(self._read("SELECT value FROM facts WHERE name = 'overlap'")), ["1"])[0])

    def leases(self) -> list[tuple[str, str, str, float]]:
        """Return the leases (clip_id, reviewer, queue, expires)."""
        return list(self._read("SELECT clip_id, reviewer, queue, expires FROM leases"))

    def informed(self) -> list[tuple[str, str]]:
        """Return the clips (clip_id, reviewer) whose suggestions reviewers have seen before answering."""
        return list(self._read("SELECT clip_id, reviewer FROM informed"))

    def sessions(self) -> list[SessionRow]:
        """Return the sessions."""
        return [SessionRow(**dict(zip(SESSION, row, strict=True))) for row in self._read("SELECT * FROM sessions")]

    def _read(self, query: str) -> list[Any]:
        with _reading(self.path) as connection:
            return connection.execute(query).fetchall()


def _insert(connection: sqlite3.Connection, decision: Decision) -> Decision:
    kept = rows.insert(connection, decision)
    if kept is decision and decision.final:
        connection.execute(DROP_LEASE, [decision.clip_id, decision.reviewer])
    return kept


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the database for writing; `mode` is SQLite's `rw`, or `rwc` to create a missing file."""
    address = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=LOCKED_S, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _close_to_others(path: Path) -> None:
    """Take away the rights of other users of this machine: names, notes and sessions are in the file."""
    with suppress(OSError):  # the file system has no modes, or the file belongs to somebody else
        path.chmod(path.stat().st_mode & 0o770)


def _renew_sessions(connection: sqlite3.Connection) -> None:
    """Create the table of sessions. A table of an older version is dropped: its sessions are not bound to a token."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]
    if columns == SESSION:
        return
    ended = connection.execute("SELECT count(*) FROM sessions").fetchone()[0] if columns else 0
    connection.executescript(f"BEGIN; DROP TABLE IF EXISTS sessions; {SESSIONS} COMMIT;")
    if ended:
        LOG.warning("reviewers must sign in again, because an older version of hfv wrote their sessions")


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def _check(path: Path) -> None:
    """Check a database, opened read-only.

    Raises:
        UsageError: it is damaged, or not a review database of this version.
    """
    try:
        with _reading(path) as connection:
            application_id = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            fault = " ".join(connection.execute("PRAGMA integrity_check(1)").fetchone()[0].split())
    except sqlite3.Error as error:
        fault, application_id, version, tables = str(error), APPLICATION_ID, rows.VERSION, 1
    if fault != "ok":
        raise UsageError(
            f"the decisions in {path} are damaged ({fault}) and were not changed; restore the file from a copy, or "
            "move it away and run `hfv review`, which imports the decisions of the reviews manifest"
        )
    if tables and application_id != APPLICATION_ID:
        raise UsageError(f"{path} is not a database of reviews; give another one with --db FILE")
    if tables and version not in (1, rows.VERSION):
        raise UsageError(
            f"{path} was written by another version of hfv (format {version}, not {rows.VERSION}); use that version"
        )
