"""The writing thread under faults of every kind: it goes on, every request gets an answer, nothing kept is lost."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.labelling.decisions import Decision
from review_ui.store import DecisionLog
from review_ui.writer import NotKept

WAIT_S = 20.0


def decision(number: int, **more: Any) -> Decision:
    """A decision that was made at this moment."""
    fields = {"decision_id": f"d{number:015}", "clip_id": "c" * 16, "reviewer": "anna", "decision": "confirm"}
    return Decision(**{**fields, "label": 1, "created_at": number, **more})


class Faulty:
    """A connection whose statements fail as told: a name to an error."""

    def __init__(self, connection: sqlite3.Connection, **faults: BaseException) -> None:
        self.connection = connection
        self.faults = faults

    def execute(self, sql: str, *args: Any) -> Any:
        for word, error in self.faults.items():
            if sql.lstrip().startswith(word):
                raise error
        return self.connection.execute(sql, *args)

    def __getattr__(self, name: str) -> Any:
        if name in self.faults:
            raise self.faults[name]
        return getattr(self.connection, name)


def full() -> sqlite3.OperationalError:
    return sqlite3.OperationalError("database or disk is full")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DecisionLog]:
    made = DecisionLog(tmp_path / "d.sqlite")
    yield made
    made.close()


def inject(store: DecisionLog, **faults: BaseException) -> None:
    """Let the next statements fail."""
    store._connection = Faulty(store._connection, **faults)  # type: ignore[assignment, arg-type]


def goes_on(store: DecisionLog, number: int = 99) -> None:
    """The store keeps the next decision."""
    assert store.add(decision(number)).result(WAIT_S).decision_id == decision(number).decision_id
    assert decision(number) in store.decisions()


@pytest.mark.parametrize(
    "faults",
    [
        {"COMMIT": full(), "ROLLBACK": full()},
        {"COMMIT": sqlite3.OperationalError("disk I/O error"), "ROLLBACK": SystemExit(3)},
        {"COMMIT": full(), "in_transaction": sqlite3.ProgrammingError("Cannot operate on a closed database.")},
        {"BEGIN": sqlite3.OperationalError("database is locked")},
        {"INSERT": full(), "ROLLBACK": sqlite3.OperationalError("cannot rollback")},
        {"INSERT": KeyboardInterrupt(), "ROLLBACK": KeyboardInterrupt()},
        {"INSERT": MemoryError(), "ROLLBACK": full()},
    ],
)
def test_no_fault_of_the_database_stops_the_thread(tmp_path: Path, faults: dict[str, BaseException]) -> None:
    store = DecisionLog(tmp_path / "d.sqlite")
    goes_on(store, 1)
    whole = store._connection
    inject(store, **faults)
    futures = [store.add(decision(number)) for number in range(2, 6)]
    errors = [future.exception(WAIT_S) for future in futures]
    assert isinstance(errors[0], sqlite3.Error | NotKept | MemoryError)
    kept = [number for number, error in enumerate(errors, 2) if error is None]
    if isinstance(store._connection, Faulty):
        store._connection = whole  # the cause is gone
    goes_on(store)
    assert [each.created_at for each in store.decisions()] == [1, *kept, 99]
    store.close()


def test_a_closed_connection_is_opened_again(store: DecisionLog) -> None:
    goes_on(store, 1)
    assert store._connection is not None
    store._connection.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.add(decision(2)).result(WAIT_S)
    goes_on(store, 2)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
def test_a_job_that_raises_anything_is_reported_and_harms_no_other(store: DecisionLog, error: BaseException) -> None:
    def job(connection: sqlite3.Connection) -> None:
        raise error

    with held(store):
        before = store.add(decision(1))
        bad = store._submit(job)
        after = store.add(decision(2))
    # Never as it is: it would end the event loop, and with it the server.
    with pytest.raises(NotKept, match=type(error).__name__):
        bad.result(WAIT_S)
    assert [future.result(WAIT_S).created_at for future in (before, after)] == [1, 2]
    goes_on(store)


def test_futures_that_were_cancelled_or_answered_by_others_are_no_fault(store: DecisionLog) -> None:
    with held(store):
        futures = [store.add(decision(number)) for number in range(6)]
        assert futures[1].cancel()
        assert futures[3].cancel()
        futures[4].set_result(decision(4))
    for number in (0, 2, 5):
        assert futures[number].result(WAIT_S).created_at == number
    for number in (1, 3):
        with pytest.raises(CancelledError):
            futures[number].result(WAIT_S)
    goes_on(store)
    # Nobody was told that these are kept; whoever sends them again is told.
    assert store.add(decision(1)).result(WAIT_S).created_at == 1


def test_cancelling_while_the_job_fails_or_runs(store: DecisionLog) -> None:
    began, go = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> str:
        began.set()
        go.wait(WAIT_S)
        return "kept"

    future = store._submit(slow)
    began.wait(WAIT_S)
    assert not future.cancel()  # too late: it is told the truth
    go.set()
    assert future.result(WAIT_S) == "kept"
    with held(store):
        bad = store._submit(lambda connection: connection.execute("nonsense"))
        bad.cancel()
    goes_on(store)


def test_a_locked_database_is_waited_for_once_and_not_once_a_job(store: DecisionLog) -> None:
    store._submit(lambda connection: None).result(WAIT_S)
    assert store._connection is not None
    store._connection.execute("PRAGMA busy_timeout = 300")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    futures = [store.add(decision(number)) for number in range(40)]
    for future in futures:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            future.result(WAIT_S)
    assert time.monotonic() - began < 5
    other.execute("ROLLBACK")
    other.close()
    goes_on(store)


def test_a_full_disk_loses_only_what_was_not_kept(store: DecisionLog) -> None:
    goes_on(store, 1)
    assert store._connection is not None
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    futures = [store.add(decision(number, reason="x" * 3000)) for number in range(2, 30)]
    refused = [future for future in futures if future.exception(WAIT_S)]
    assert refused
    assert all("full" in str(future.exception()) for future in refused)
    store._connection.execute("PRAGMA max_page_count = 1000000")
    kept = {each.created_at for each in store.decisions()}
    assert kept == {1} | {future.result().created_at for future in futures if future not in refused}
    goes_on(store)


def test_a_file_that_is_gone_is_not_written_to(store: DecisionLog) -> None:
    goes_on(store, 1)
    store.path.rename(store.path.with_suffix(".away"))
    with pytest.raises(NotKept, match="is gone"):
        store.add(decision(2)).result(WAIT_S)
    assert not store.path.exists()  # nor is an empty one made in its place
    store.path.with_suffix(".away").rename(store.path)
    goes_on(store)


def test_after_closing_nobody_waits_for_ever(tmp_path: Path) -> None:
    store = DecisionLog(tmp_path / "d.sqlite")
    store.close()
    with pytest.raises(NotKept, match="stopping"):
        store.add(decision(1)).result(WAIT_S)
    store.close()


def test_closing_answers_all_who_wait(tmp_path: Path) -> None:
    store = DecisionLog(tmp_path / "d.sqlite")
    futures: list[Future[Any]] = []

    def send(first: int) -> None:
        for number in range(first, first + 300):
            futures.append(store.add(decision(number)))

    work = [threading.Thread(target=send, args=[first]) for first in (0, 1000, 2000, 3000)]
    for thread in work:
        thread.start()
    store.close()
    for thread in work:
        thread.join()
    told = [future.exception(WAIT_S) for future in futures]
    kept = DecisionLog(tmp_path / "d.sqlite")
    assert len(kept.decisions()) == told.count(None)
    kept.close()


class held:
    """Keeps the thread busy until all jobs of a block wait, so that they form one transaction."""

    def __init__(self, store: DecisionLog) -> None:
        self.store, self.go = store, threading.Event()

    def __enter__(self) -> None:
        began = threading.Event()

        def wait(connection: sqlite3.Connection) -> None:
            began.set()
            self.go.wait(WAIT_S)

        self.store._submit(wait)
        began.wait(WAIT_S)

    def __exit__(self, *error: object) -> None:
        self.go.set()
