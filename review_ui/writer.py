"""A thread that writes to a SQLite database. It survives all errors and completes every job's future."""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

BATCH = 256
"""Largest number of jobs in one transaction."""

T = TypeVar("T")
Job = tuple[Callable[[sqlite3.Connection], Any], Future[Any]]


class NotKept(Exception):
    """The database could not run a job. The job can be submitted again."""


class Writer:
    """Run jobs on a database, all waiting jobs in one transaction.

    A future is done once its job is on disk or has failed. A failing job does not affect the other jobs of its
    transaction. A connection that cannot roll back is closed and reopened for the next job.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        """Start the thread.

        Args:
            path: the file; while it does not exist, jobs fail.
            connect: opens the file; called again after a connection was closed.

        Raises:
            sqlite3.Error: the first connection fails.
        """
        self.path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = connect()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="decisions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Run the waiting jobs, then close. Later jobs fail."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._give_up()

    def _submit(self, job: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Return a future of the job's result. A job whose future is cancelled before it starts is skipped."""
        future: Future[T] = Future()
        with self._lock:  # no job may follow the None that ends the thread
            if self._closed:
                future.set_exception(NotKept("the server is stopping"))
            else:
                self._jobs.put((job, future))
        return future

    def _write(self) -> None:
        """Run the waiting jobs in transactions until `close`."""
        stopping = False
        while not stopping:
            batch = [self._jobs.get()]
            try:
                while len(batch) < BATCH and not self._jobs.empty():
                    batch.append(self._jobs.get())
                jobs = [job for job in batch if job is not None]
                stopping = len(jobs) < len(batch)
                self._transact([job for job in jobs if _begins(job[1])])
            except BaseException as error:  # the thread must go on, else later jobs would wait forever
                _fail([job for job in batch if job is not None], error)

    def _transact(self, jobs: list[Job]) -> None:
        """Commit the jobs in one transaction, without those that fail."""
        while jobs:
            results: list[Any] = []
            current: Job | None = None
            try:
                if self._connection is None:
                    self._connection = self._connect()
                if not self.path.exists():  # SQLite would go on writing to the deleted file
                    raise NotKept(f"{self.path} is gone")
                self._connection.execute("BEGIN IMMEDIATE")
                for current in jobs:
                    results.append(current[0](self._connection))
                current = None
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back()
                # An error outside of a job comes from the database, and would fail all jobs one by one.
                _fail(jobs if current is None else [current], error)
                jobs = [] if current is None else [job for job in jobs if job is not current]
                continue
            for (_, future), result in zip(jobs, results, strict=True):
                with suppress(InvalidStateError):
                    future.set_result(result)
            return

    def _roll_back(self) -> None:
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except BaseException:  # closing rolls back too
            self._give_up()

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        with suppress(sqlite3.Error):
            if connection is not None:
                connection.close()


def _begins(future: Future[Any]) -> bool:
    """Mark a job as running, so that it cannot be cancelled; return False if it was cancelled before."""
    return not future.done() and future.set_running_or_notify_cancel()


def _fail(jobs: list[Job], error: BaseException) -> None:
    """Set the error on the futures that are not done. An error that would end the event loop is wrapped."""
    reported = error if isinstance(error, Exception) else NotKept(f"{type(error).__name__} in the writing thread")
    for _, future in jobs:
        with suppress(InvalidStateError):
            future.set_exception(reported)
