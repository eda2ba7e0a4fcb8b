"""What the server decides by itself: what may be seen, who may answer what, and whether an answer was blind."""

import io
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import Metric
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS
from review_ui.settings import HAND, Settings
from review_ui.users import Role, User, hashed
from tests.review_ui.conftest import Person

Start = Callable[..., TestClient]
BLIND = Settings(shown=0.0, calibration=20)


@pytest.fixture
def picture(manifests: Manifests) -> None:
    """Every clip has a picture of its worst moment."""
    for row in manifests.read(CLIPS).to_pylist():
        keys = {"profile": "lite", "generator": row["generator"]}
        path = Path(str(manifests.evidence(row["clip_id"], Metric.MOTION, **keys)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")


def sights(person: Person, clip_id: str) -> tuple[bool, int, int]:
    """Whether the item has a suggestion, and the statuses of its evidence and of a picture."""
    item = person.get(f"/api/clips/{clip_id}")
    statuses = [
        person.send("GET", path).status_code
        for path in (f"/api/clips/{clip_id}/evidence", f"/media/{clip_id}/motion.webp")
    ]
    return (item["suggestion"] is not None, statuses[0], statuses[1])


HIDDEN, SEEN = (False, 403, 403), (True, 200, 200)


def rows(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(
        io.BytesIO(person.send("GET", "/api/reviews.parquet").content)
    ).to_pylist()
    return found


@pytest.mark.usefixtures("picture")
def test_a_blind_clip_gives_nothing_away_before_the_first_answer(start: Start) -> None:
    anna = Person(start(settings=BLIND), "anna")
    item, other = anna.hand(2)
    assert (item["suggestion"], item["shown"], item["first"]) == (None, False, None)
    assert not {"margin", "scores", "ranks", "traces"} & item.keys()
    assert sights(anna, item["clip_id"]) == HIDDEN
    assert anna.send("GET", f"/api/clips/{item['clip_id']}/evidence").json() == {
        "error": "scores, traces and images of this clip are available after your first answer to it"
    }
    assert len(anna.get(f"/api/clips/{item['clip_id']}/frames")["frame_times"]) == 24
    body = {"decision_id": "a" * 16, "clip_id": item["clip_id"], "answer": "none", "final": False}
    kept = anna.send("POST", "/api/decisions", body).json()
    assert kept["blind"] is True
    assert kept["suggestion"] == anna.get(f"/api/clips/{item['clip_id']}")["suggestion"]
    assert sights(anna, item["clip_id"]) == SEEN
    assert sights(anna, other["clip_id"]) == HIDDEN
    # Neither giving it back nor going to another queue opens what was not answered.
    anna.hand(2, "calibration")
    assert sights(anna, other["clip_id"]) == HIDDEN
    anna.send("DELETE", "/api/hand")
    assert sights(anna, other["clip_id"]) == HIDDEN


@pytest.mark.usefixtures("picture")
def test_a_shown_clip_is_shown_and_its_answer_is_not_blind(start: Start) -> None:
    anna = Person(start(settings=Settings(shown=1.0)), "anna")
    item = anna.hand()[0]
    assert item["suggestion"] is not None
    assert sights(anna, item["clip_id"]) == SEEN
    anna.decide(item["clip_id"], "motion", blind=True)
    assert [row["blind"] for row in rows(anna)] == [False]


def test_the_word_of_the_client_does_not_make_an_answer_blind_or_seen(start: Start) -> None:
    anna = Person(start(settings=BLIND), "anna")
    item, again = anna.hand(2)
    anna.decide(item["clip_id"], "motion", blind=False, queue="failed")
    made = anna.decide(again["clip_id"], "motion")
    anna.send("POST", "/api/undo", {"decision_id": "u" * 16, "undoes": [made]})
    # It was seen by then, also after a restart.
    for person in (anna, Person(start(settings=BLIND), "anna")):
        back = person.hand()[0]
        assert (back["clip_id"], back["shown"]) == (again["clip_id"], True)
    anna.decide(again["clip_id"], "spatial", blind=True)
    told = [(row["blind"], row["queue"]) for row in rows(anna) if row["decision"] is not None]
    assert told == [(True, "labels"), (True, "labels"), (False, "labels")]


@pytest.mark.usefixtures("picture")
def test_who_adjudicates_a_clip_is_not_blind_for_it(start: Start) -> None:
    client = start(settings=BLIND)
    anna, ben, zoe = (Person(client, name) for name in ("anna", "ben", "zoe"))
    clip_id = {person.hand(1, "calibration")[0]["clip_id"] for person in (anna, ben, zoe)}.pop()
    assert sights(zoe, clip_id) == HIDDEN
    anna.decide(clip_id, "motion")
    ben.decide(clip_id, "spatial")
    assert sights(zoe, clip_id) == HIDDEN
    assert zoe.get("/api/cases")["cases"][0]["item"]["suggestion"] is not None
    assert sights(zoe, clip_id) == SEEN
    zoe.decide(clip_id, "motion")
    assert [row["blind"] for row in rows(zoe)] == [True, True, False]


def test_who_has_adjudicated_a_clip_is_not_blind_for_it(start: Start) -> None:
    anna = Person(start(settings=BLIND), "anna")
    clip_id = anna.hand(1, "calibration")[0]["clip_id"]
    body = {"decision_id": "a" * 16, "clip_id": clip_id, "answer": "motion"}
    assert anna.send("POST", "/api/adjudications", body).json()["suggestion"] is not None
    assert anna.hand(1, "calibration")[0]["shown"] is True
    anna.decide(clip_id, "motion")
    assert rows(anna)[-1]["blind"] is False


def test_what_another_queue_has_shown_is_not_blind_in_this_one(start: Start) -> None:
    client = start(settings=Settings(shown=0.0, calibration=20, overlap=3))
    anna, ben, zoe = (Person(client, name) for name in ("anna", "ben", "zoe"))
    clip_id = {person.hand(1, "calibration")[0]["clip_id"] for person in (anna, ben)}.pop()
    anna.decide(clip_id, "motion")
    ben.decide(clip_id, "spatial")
    assert zoe.hand(1, "disagreements")[0]["suggestion"] is not None
    again = zoe.hand(1, "calibration")[0]
    assert (again["clip_id"], again["shown"]) == (clip_id, True)
    zoe.decide(clip_id, "motion")
    assert rows(zoe)[-1]["blind"] is False


def test_an_answer_needs_a_clip_that_was_dealt(start: Start) -> None:
    client = start(settings=BLIND)
    anna, ben = Person(client, "anna"), Person(client, "ben")
    mine, returned = (item["clip_id"] for item in anna.hand(2))
    body = {"decision_id": "a" * 16, "clip_id": mine, "answer": "motion"}
    refused = ben.send("POST", "/api/decisions", body)
    assert refused.status_code == 409
    assert "was not dealt to you" in refused.json()["error"]
    assert anna.send("POST", "/api/decisions", body).status_code == 200
    # The same once more is no second answer; another would be.
    assert anna.send("POST", "/api/decisions", body).json()["duplicate"] is True
    assert anna.send("POST", "/api/decisions", body | {"decision_id": "b" * 16}).status_code == 409
    anna.send("DELETE", "/api/hand")
    late = {"decision_id": "c" * 16, "clip_id": returned, "answer": "motion"}
    assert anna.send("POST", "/api/decisions", late).status_code == 409
    adjudged = {"decision_id": "d" * 16, "clip_id": returned, "answer": "motion"}
    assert ben.send("POST", "/api/adjudications", adjudged).status_code == 200


def test_an_answer_on_its_way_is_kept_when_the_lease_is_over(start: Start) -> None:
    client = start(settings=BLIND)
    anna, ben = Person(client, "anna"), Person(client, "ben")
    clip_id = anna.hand()[0]["clip_id"]
    anna.hand(1, "calibration")  # another tab: clips of other queues go back
    assert ben.hand()[0]["clip_id"] == clip_id
    anna.decide(clip_id, "motion")
    ben.decide(clip_id, "spatial")
    assert anna.get("/api/cases")["total"] == 1


def test_leases_that_nobody_may_answer_by_are_dropped_while_the_server_runs(
    start: Start, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = Person(start(settings=BLIND), "anna")

    def stored() -> list[str]:
        with closing(sqlite3.connect(db)) as connection:
            return [clip_id for (clip_id,) in connection.execute("SELECT clip_id FROM leases")]

    clip_id = anna.hand()[0]["clip_id"]
    monkeypatch.setattr("review_ui.hands.LAPSED_S", -1e6)  # as if the day were over
    other = anna.hand(1, "calibration")[0]["clip_id"]
    assert clip_id != other
    end = time.monotonic() + 20
    while stored() != [other]:
        anna.hand(1, "calibration")
        assert time.monotonic() < end
        time.sleep(0.05)


def test_leaving_loses_no_answer_that_is_on_its_way(start: Start) -> None:
    client = start(settings=BLIND)
    anna, ben = Person(client, "anna"), Person(client, "ben")
    clip_id = anna.hand()[0]["clip_id"]
    anna.send("DELETE", "/api/session")
    assert ben.hand()[0]["clip_id"] == clip_id
    Person(client, "anna").decide(clip_id, "motion")


def test_undoing_does_not_fill_a_hand_without_end(start: Start) -> None:
    client = start(settings=BLIND)
    anna, ben = Person(client, "anna"), Person(client, "ben")
    made = [anna.decide(item["clip_id"], "motion") for _ in range(10) for item in anna.hand(1, "calibration")]
    assert len(made) == 10
    anna.hand(HAND)
    for number, decision_id in enumerate(made):
        undo = anna.send("POST", "/api/undo", {"decision_id": f"{number:016}", "undoes": [decision_id]})
        assert undo.status_code == 200
    # All ten clips of the labels queue are open again, and she cannot hold all of them.
    assert len(ben.hand(HAND)) == 10 - HAND


def test_only_adjudicators_take_the_decisions_away(start: Start) -> None:
    users = {
        name: User(name=name, token_hash=hashed(f"{name}'s"), role=role)
        for name, role in (("anna", Role.REVIEWER), ("zoe", Role.ADJUDICATOR))
    }
    client = start(users=users)
    anna, zoe = (Person(client, name, f"{name}'s") for name in users)
    for path in ("/api/reviews.csv", "/api/reviews.parquet", "/api/cases"):
        assert anna.send("GET", path).status_code == 403
        assert zoe.send("GET", path).status_code == 200
    body = {"decision_id": "a" * 16, "clip_id": anna.hand()[0]["clip_id"], "answer": "motion"}
    assert anna.send("POST", "/api/adjudications", body).status_code == 403


@pytest.fixture
def footage(manifests: Manifests) -> str:
    """A generator of the sample that was catalogued as real; its clip."""
    rows = manifests.read(CLIPS, generator="beta").to_pylist()
    for row in rows:
        row["is_real"] = True
    manifests.replace(CLIPS, [pa.Table.from_pylist(rows, schema=CLIPS.schema)], generator="beta")
    labels = manifests.read(LABELS, generator="beta").to_pylist()
    for row in labels:
        row["auto_label"] = 3
    manifests.replace(LABELS, [pa.Table.from_pylist(labels, schema=LABELS.schema)], generator="beta")
    return str(next(row["clip_id"] for row in rows if row["status"] == "ok"))


def offered(item: dict[str, Any]) -> list[str]:
    return [choice["answer"] for choice in item["answers"]]


def test_a_clip_gets_the_answers_that_it_can_have(start: Start, footage: str) -> None:
    anna = Person(start(settings=BLIND), "anna")
    generated = anna.hand(1, generator="alpha")[0]
    assert generated["is_real"] is False
    assert offered(generated) == ["spatial", "appearance", "motion", "none", "reject", "unsure"]
    assert generated["answers"][3] == {"answer": "none", "name": "No anomaly", "key": "4"}
    real = anna.hand(1, generator="beta")[0]
    assert (real["is_real"], real["source"]) == (True, "beta")
    assert offered(real) == ["real", "reject", "unsure"]
    assert {"generated", "broken", "duplicate", "not a person", "other"} <= set(real["reasons"])
    failed = anna.hand(1, "failed")[0]
    assert offered(failed) == ["reject", "unsure"]


def test_where_a_clip_comes_from_can_be_kept_from_reviewers(start: Start) -> None:
    anna = Person(start(settings=Settings(show_source=False)), "anna")
    item = anna.hand()[0]
    assert (item["generator"], item["source"], item["is_real"]) == (None, None, False)
    anna.decide(item["clip_id"], "motion")
    assert rows(anna)[0]["generator"] in ("alpha", "beta")


@pytest.mark.parametrize(
    ("queue", "generator", "answer", "status"),
    [
        ("labels", "alpha", "real", 422),
        ("labels", "alpha", "none", 200),
        ("labels", "beta", "spatial", 422),
        ("labels", "beta", "none", 422),
        ("labels", "beta", "real", 200),
        ("failed", "beta", "spatial", 422),
        ("failed", "beta", "real", 422),
        ("failed", "beta", "none", 422),
        ("failed", "beta", "unsure", 200),
    ],
)
@pytest.mark.usefixtures("footage")
def test_no_clip_gets_another_answer(start: Start, queue: str, generator: str, answer: str, status: int) -> None:
    anna = Person(start(settings=BLIND), "anna")
    clip_id = anna.hand(1, queue, generator=generator)[0]["clip_id"]
    body = {"decision_id": secrets.token_hex(16), "clip_id": clip_id, "answer": answer}
    response = anna.send("POST", "/api/decisions", body)
    assert response.status_code == status
    if status == 422:
        assert "is not an answer to" in response.json()["error"]
    judged = answer != "unsure"
    body["decision_id"] = secrets.token_hex(16)
    assert anna.send("POST", "/api/adjudications", body).status_code == (status if judged else 422)
