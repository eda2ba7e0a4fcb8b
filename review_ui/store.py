"""The decisions in SQLite: append-only, flushed to disk before anybody is told that they are kept.

One thread writes. Whatever waits when it comes round goes into one transaction, so that fifty reviewers cost one flush
and not fifty; an answer is given only after the flush.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hfv_builder.decisions import Decision
from hfv_builder.records import UsageError
from hfv_builder.reviews import in_order
from review_ui import rows

APPLICATION_ID = 0x48465652
"""`HFVR`: tells our databases from others."""
BATCH = 256
"""Jobs in one transaction at most."""

TABLES = """
CREATE TABLE leases (
    clip_id TEXT, reviewer TEXT, queue TEXT NOT NULL, expires REAL NOT NULL, PRIMARY KEY (clip_id, reviewer)
) STRICT;
CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT;
"""

T = TypeVar("T")
Job = tuple[Callable[[sqlite3.Connection], Any], Future[Any]]

DROP_LEASE = "DELETE FROM leases WHERE clip_id = ? AND reviewer = ?"


class Store:
    """The database. Every `write` method returns a future that is done once its rows are on the disk."""

    def __init__(self, path: Path) -> None:
        """Open the database, or make it.

        Raises:
            UsageError: the file is damaged or not ours. Nothing in it is touched.
        """
        self.path = path
        if path.exists() and path.stat().st_size:
            _check(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            if self._connection.execute("PRAGMA application_id").fetchone()[0] == 0:
                marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {rows.VERSION};"
                self._connection.executescript(f"BEGIN; {marks} {rows.TABLES} {TABLES} COMMIT;")
            rows.upgrade(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise UsageError(f"the decisions in {path} cannot be opened ({error}); nothing in it was changed") from None
        self._jobs: queue.SimpleQueue[tuple[Callable[[sqlite3.Connection], Any], Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._write, name="decisions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then close."""
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def add(self, decision: Decision) -> "Future[Decision]":
        """Keep a decision, and forget the lease that it ends.

        The future gives what is kept under its id, which is another decision if the id was taken.
        """

        def job(connection: sqlite3.Connection) -> Decision:
            return _insert(connection, decision)

        return self._submit(job)

    def add_all(self, decisions: Iterable[Decision]) -> "Future[None]":
        """Keep decisions of another database; those known already are passed over."""
        given = list(decisions)

        def job(connection: sqlite3.Connection) -> None:
            rows.insert_all(connection, given)

        return self._submit(job)

    def put_overlap(self, overlap: int) -> "Future[None]":
        """Remember how many reviewers each clip is to have."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('overlap', ?)", [str(overlap)])

        return self._submit(job)

    def put_leases(self, leases: list[tuple[str, str, str, float]]) -> "Future[None]":
        """Remember leases (clip, reviewer, queue, expires) over a restart."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", leases)

        return self._submit(job)

    def drop_leases(self, leases: list[tuple[str, str]]) -> "Future[None]":
        """Forget leases (clip, reviewer)."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(DROP_LEASE, leases)

        return self._submit(job)

    def put_session(self, token_hash: str, name: str, role: str, created_at: int) -> "Future[None]":
        """Remember a session by the hash of its cookie."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)", [token_hash, name, role, created_at]
            )

        return self._submit(job)

    def drop_session(self, token_hash: str) -> "Future[None]":
        """Forget a session."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM sessions WHERE token_hash = ?", [token_hash])

        return self._submit(job)

    def decisions(self) -> list[Decision]:
        """All decisions in their order, undos too."""
        return in_order(map(rows.from_row, self._read(rows.SELECT)))

    def overlap(self) -> int:
        """How many reviewers each clip was to have; 1 where nobody has said."""
        return int(next(iter(self._read("SELECT value FROM facts WHERE name = 'overlap'")), ["1"])[0])

    def leases(self) -> list[tuple[str, str, str, float]]:
        """The leases (clip, reviewer, queue, expires)."""
        return list(self._read("SELECT clip_id, reviewer, queue, expires FROM leases"))

    def sessions(self) -> list[tuple[str, str, str]]:
        """The sessions (hash, name, role)."""
        return list(self._read("SELECT token_hash, name, role FROM sessions"))

    def _read(self, query: str) -> list[Any]:
        with _reading(self.path) as connection:
            return connection.execute(query).fetchall()

    def _submit(self, job: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future

    def _write(self) -> None:
        """Carry out what waits, a transaction at a time, until told to stop."""
        stopping = False
        while not stopping:
            batch = [self._jobs.get()]
            while len(batch) < BATCH and not self._jobs.empty():
                batch.append(self._jobs.get())
            stopping = None in batch
            jobs = [each for each in batch if each is not None]
            if jobs:
                self._transact(jobs)

    def _transact(self, jobs: list[Job]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [job(self._connection) for job, _ in jobs]
            self._connection.execute("COMMIT")
        except Exception as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if len(jobs) > 1:  # one of them may be to blame: the others need not suffer for it
                for each in jobs:
                    self._transact([each])
            else:
                jobs[0][1].set_exception(error)
            return
        for (_, future), result in zip(jobs, results, strict=True):
            if not future.cancelled():
                future.set_result(result)


def _insert(connection: sqlite3.Connection, decision: Decision) -> Decision:
    kept = rows.insert(connection, decision)
    if kept is decision and decision.final:
        connection.execute(DROP_LEASE, [decision.clip_id, decision.reviewer])
    return kept


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def _check(path: Path) -> None:
    """Look at a database without the right to write to it.

    Raises:
        UsageError: it is damaged, or not one of ours.
    """
    try:
        with _reading(path) as connection:
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            fault = " ".join(connection.execute("PRAGMA integrity_check(1)").fetchone()[0].split())
    except sqlite3.Error as error:
        fault, found, version, tables = str(error), APPLICATION_ID, rows.VERSION, 1
    if fault != "ok":
        raise UsageError(
            f"the decisions in {path} are damaged ({fault}); nothing was changed. Put back a copy of the file, or "
            "move it away and start again from the reviews manifest with `hfv review`"
        )
    if tables and found != APPLICATION_ID:
        raise UsageError(f"{path} is a database, but not one of reviews; name another with --db FILE")
    if tables and version not in (1, rows.VERSION):
        raise UsageError(
            f"{path} was written by another version of hfv (format {version}, not {rows.VERSION}); use that one"
        )
