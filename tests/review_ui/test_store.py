"""The database under kill -9, and what it refuses."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.review import measure_kill
from hfv_builder.labelling.decisions import Decision
from hfv_builder.records import UsageError
from review_ui import rows
from review_ui.store import DecisionLog


def decision(number: int, **more: object) -> Decision:
    fields = {
        "decision_id": f"d{number:015}",
        "clip_id": "c" * 16,
        "reviewer": "anna",
        "decision": "confirm",
        "label": 1,
    }
    fields |= {"reason": None, "blind": False, "seconds": 1.0, "created_at": number, "queue": "labels", "final": True}
    return Decision(**{**fields, **more})  # type: ignore[arg-type]


def test_decisions_can_only_be_added(tmp_path: Path) -> None:
    store = DecisionLog(tmp_path / "d.sqlite")
    store.add(decision(1)).result()
    other = sqlite3.connect(tmp_path / "d.sqlite", isolation_level=None)
    for statement in ("DELETE FROM reviews", "UPDATE reviews SET label = 2"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()
    store.close()


def test_one_bad_job_does_not_harm_the_others(tmp_path: Path) -> None:
    store = DecisionLog(tmp_path / "d.sqlite")
    bad = decision(0, label=2**70)
    futures = [store.add(bad if number == 5 else decision(number)) for number in range(10)]
    for number, future in enumerate(futures):
        if number == 5:
            with pytest.raises(OverflowError):
                future.result()
        else:
            assert future.result().created_at == number
    assert len(store.decisions()) == 9
    store.close()


def test_the_disk_is_asked_before_anybody_is_told(tmp_path: Path) -> None:
    store = DecisionLog(tmp_path / "d.sqlite")
    assert store._connection is not None
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_kill_9_under_load_loses_nothing(tmp_path: Path) -> None:
    # `python -m benchmarks.review kill` does twenty rounds.
    found = measure_kill(tmp_path, rounds=2, clips=1000)
    assert found["answered"] > 0
    assert (found["lost"], found["twice"]) == (0, 0)


OLDER = """
PRAGMA application_id = 0x48465652; PRAGMA user_version = 1;
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY, decision_id TEXT NOT NULL UNIQUE, clip_id TEXT NOT NULL, reviewer TEXT NOT NULL,
    decision TEXT NOT NULL, label INTEGER, reason TEXT, blind INTEGER NOT NULL, seconds REAL,
    created_at INTEGER NOT NULL, queue TEXT NOT NULL, final INTEGER NOT NULL
) STRICT;
CREATE TABLE undos (
    seq INTEGER PRIMARY KEY, decision_id TEXT NOT NULL, undoes TEXT NOT NULL UNIQUE, reviewer TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX undos_by_id ON undos (decision_id);
CREATE TABLE leases (
    clip_id TEXT, reviewer TEXT, queue TEXT NOT NULL, expires REAL NOT NULL, PRIMARY KEY (clip_id, reviewer)
) STRICT;
CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER decisions_stay BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER undos_stay BEFORE DELETE ON undos BEGIN SELECT RAISE(ABORT, 'undos are append-only'); END;
INSERT INTO decisions VALUES
    (1, 'd1', 'c1', 'anna', 'relabel', 2, NULL, 1, 3.5, 10, 'labels', 0),
    (2, 'd2', 'c1', 'anna', 'confirm', 1, 'the arm', 0, 1.5, 20, 'labels', 1),
    (3, 'd3', 'c2', 'ben', 'reject', NULL, 'watermark: left', 0, NULL, 40, 'labels', 1),
    (4, 'd4', 'c2', 'adjudicator:zoe', 'relabel', 0, NULL, 0, NULL, 30, 'adjudication', 1),
    (5, 'd5', 'c3', 'ben', 'relabel', 0, NULL, 1, NULL, 5, 'manifest', 1);
INSERT INTO undos VALUES (1, 'u1', 'd1', 'anna', 25), (2, 'u1', 'd2', 'anna', 25);
INSERT INTO leases VALUES ('c3', 'anna', 'labels', 99.5);
"""


def test_an_older_database_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    with closing(sqlite3.connect(path)) as older:
        older.executescript(OLDER)
    for _ in range(2):
        store = DecisionLog(path)
        store.close()
        kept = store.decisions()
        assert [(each.decision_id, each.reviewer, each.role) for each in kept] == [
            ("d5", "ben", "reviewer"),
            ("d1", "anna", "reviewer"),
            ("d2", "anna", "reviewer"),
            ("u1", "anna", "reviewer"),
            ("d4", "zoe", "adjudicator"),
            ("d3", "ben", "reviewer"),
        ]
        told = {each.decision_id: (each.reason, each.note, each.final, each.seconds) for each in kept}
        assert told["d1"] == (None, None, False, 3.5)
        assert told["d2"] == (None, "the arm", True, 1.5)
        assert told["d3"] == ("watermark", "left", True, None)
        assert told["d5"] == (None, None, False, None)
        assert next(each for each in kept if each.decision_id == "u1").undoes == ("d1", "d2")
        assert store.leases() == [("c3", "anna", "labels", 99.5)]
    with closing(sqlite3.connect(path)) as newer:
        assert newer.execute("SELECT count(*) FROM decisions").fetchone() == (5,)


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.sqlite"
    with closing(sqlite3.connect(path)) as older:
        older.executescript(OLDER)

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "insert_all", fails)
        with pytest.raises(UsageError, match="disk is full"):
            DecisionLog(path)
    with closing(sqlite3.connect(path)) as same:
        assert same.execute("PRAGMA user_version").fetchone() == (1,)
        assert same.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'reviews'").fetchone() == (0,)
    store = DecisionLog(path)
    store.close()
    assert len(store.decisions()) == 6


def test_a_file_system_without_the_locks_of_sqlite_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise sqlite3.OperationalError("locking protocol")  # as on some network file systems

    monkeypatch.setattr("review_ui.store._connect", connect)
    with pytest.raises(UsageError, match=r"\(locking protocol\).*give a file on a local disk with --db FILE"):
        DecisionLog(tmp_path / "d.sqlite")
