"""What a request gets while decisions cannot be kept, and what the next one gets."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import review_ui.desk
from hfv_builder.storage.manifest import Manifests
from review_ui.filter import Filter
from review_ui.messages import NewDecision
from review_ui.settings import Settings
from review_ui.store import DecisionLog
from tests.review_ui.conftest import Person
from tests.review_ui.test_writer import WAIT_S, Faulty, full, inject


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[DecisionLog]:
    """The stores that servers open."""
    stores: list[DecisionLog] = []

    def make(path: Path) -> DecisionLog:
        stores.append(DecisionLog(path))
        return stores[-1]

    monkeypatch.setattr(review_ui.desk, "DecisionLog", make)
    return stores


@pytest.mark.parametrize("faults", [{"ROLLBACK": full(), "COMMIT": full()}, {"COMMIT": SystemExit(1)}])
def test_a_request_gets_503_and_the_next_one_is_kept(
    made: list[DecisionLog], start: Callable[..., TestClient], faults: dict[str, BaseException]
) -> None:
    anna = Person(start(), "anna")
    store = made[0]
    body = {"decision_id": "a" * 16, "clip_id": anna.hand()[0]["clip_id"], "answer": "motion"}
    store._submit(lambda connection: None).result(WAIT_S)
    whole = store._connection
    inject(store, **faults)
    response = anna.send("POST", "/api/decisions", body)
    assert response.status_code == 503
    assert "can be sent again" in response.json()["error"]
    store._connection = store._connection and whole
    response = anna.send("POST", "/api/decisions", body)
    assert response.status_code == 200
    assert anna.hand()[0]["clip_id"] != body["clip_id"]
    assert len(anna.send("GET", "/api/reviews.csv").text.splitlines()) == 2


def test_kept_without_an_answer_counts_when_it_is_sent_again(
    made: list[DecisionLog], start: Callable[..., TestClient]
) -> None:
    """The disk may have taken what it reported as failed."""
    anna = Person(start(), "anna")
    store = made[0]
    body = {"decision_id": "a" * 16, "clip_id": anna.hand()[0]["clip_id"], "answer": "motion"}
    store._submit(lambda connection: None).result(WAIT_S)

    class Late(Faulty):
        def execute(self, sql: str, *args: Any) -> Any:
            found = self.connection.execute(sql, *args)
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return found

    whole = store._connection
    store._connection = Late(whole)  # type: ignore[assignment, arg-type]
    assert anna.send("POST", "/api/decisions", body).status_code == 503
    store._connection = whole
    response = anna.send("POST", "/api/decisions", body)
    assert response.status_code == 200
    # The queue has gone on, and it can be taken back.
    assert anna.hand()[0]["clip_id"] != body["clip_id"]
    undo = {"decision_id": "b" * 16, "undoes": [body["decision_id"]]}
    assert anna.send("POST", "/api/undo", undo).status_code == 200


def test_a_request_that_is_cancelled_while_its_decision_is_written_counts(manifests: Manifests, db: Path) -> None:
    desk = review_ui.desk.Desk(manifests, db, Settings())
    clip = desk.deal("anna", "labels", Filter(), 1)["items"][0]["clip_id"]

    async def work() -> None:
        began, go = threading.Event(), threading.Event()

        def slow(connection: sqlite3.Connection) -> None:
            began.set()
            go.wait(WAIT_S)

        desk.store._submit(slow)
        await asyncio.to_thread(began.wait, WAIT_S)
        new = NewDecision(decision_id="a" * 16, clip_id=clip, answer="motion", final=True)
        request = asyncio.create_task(desk.decide("anna", new))
        await asyncio.sleep(0.05)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        go.set()
        await asyncio.wrap_future(desk.store._submit(lambda connection: None))
        await asyncio.sleep(0.05)

    asyncio.run(work())
    assert [each.decision_id for each in desk.store.decisions()] == ["a" * 16]
    assert "a" * 16 in desk.board.ledger.known
    assert desk.deal("anna", "labels", Filter(), 1)["items"][0]["clip_id"] != clip
    desk.close()
