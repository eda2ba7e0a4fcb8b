"""The database under kill -9, and what it refuses."""

import sqlite3
from pathlib import Path

import pytest

from benchmarks.review import measure_kill
from review_ui.decision import Decision, Undo
from review_ui.store import Store


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
    store = Store(tmp_path / "d.sqlite")
    store.add(decision(1)).result()
    other = sqlite3.connect(tmp_path / "d.sqlite", isolation_level=None)
    for statement in ("DELETE FROM decisions", "UPDATE decisions SET label = 2", "DELETE FROM undos"):
        if "undos" in statement:
            store.add_undo(Undo(decision_id="u", undoes=("d000000000000001",), reviewer="anna", created_at=2)).result()
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()
    store.close()


def test_one_bad_job_does_not_harm_the_others(tmp_path: Path) -> None:
    store = Store(tmp_path / "d.sqlite")
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
    store = Store(tmp_path / "d.sqlite")
    assert store._connection is not None
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_kill_9_under_load_loses_nothing(tmp_path: Path) -> None:
    # `python -m benchmarks.review kill` does twenty rounds.
    found = measure_kill(tmp_path, rounds=2, clips=1000)
    assert found["answered"] > 0
    assert (found["lost"], found["twice"]) == (0, 0)
