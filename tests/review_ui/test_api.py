"""The JSON interface: answering, undoing, adjudicating, exporting."""

import io
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi.testclient import TestClient

from hfv_builder.records import Metric
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import FINAL, REVIEWS, SCORES
from review_ui.settings import Settings
from tests.review_ui.conftest import Person


def test_answers_become_confirm_or_relabel(start: Callable[..., TestClient]) -> None:
    anna = Person(start(settings=Settings(shown=1.0)), "anna")
    item, other = anna.hand(2)
    suggested = item["suggestion"]["label"]
    body = {"decision_id": "a" * 16, "clip_id": item["clip_id"], "answer": suggested, "note": " fine "}
    kept = anna.send("POST", "/api/decisions", body).json()
    assert (kept["decision"], kept["label"], kept["duplicate"]) == ("confirm", suggested, False)
    wrong = next(label for label in ("spatial", "motion") if label != other["suggestion"]["label"])
    kept = anna.send("POST", "/api/decisions", {"decision_id": "b" * 16, "clip_id": other["clip_id"], "answer": wrong})
    assert kept.json()["decision"] == "relabel"


def test_sending_twice_is_deciding_once(anna: Person) -> None:
    item = anna.hand()[0]
    body = {"decision_id": "c" * 16, "clip_id": item["clip_id"], "answer": "motion"}
    first, again = (anna.send("POST", "/api/decisions", body) for _ in range(2))
    assert first.json()["duplicate"] is False
    assert again.status_code == 200
    assert again.json()["duplicate"] is True
    assert again.json()["created_at"] == first.json()["created_at"]
    clash = anna.send("POST", "/api/decisions", body | {"answer": "spatial"})
    assert clash.status_code == 409
    assert len(anna.send("GET", "/api/reviews.csv").text.splitlines()) == 2


def test_many_sendings_at_once_are_one(anna: Person) -> None:
    item = anna.hand()[0]
    body = {"decision_id": "d" * 16, "clip_id": item["clip_id"], "answer": "motion"}
    answers: list[Any] = []
    work = [
        threading.Thread(target=lambda: answers.append(anna.send("POST", "/api/decisions", body))) for _ in range(8)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert sorted(response.json()["duplicate"] for response in answers) == [False] + [True] * 7


def test_blind_first_then_keep_or_change(start: Callable[..., TestClient]) -> None:
    anna = Person(start(settings=Settings(shown=0.0)), "anna")
    item = anna.hand()[0]
    first = anna.decide(item["clip_id"], "spatial", blind=True, final=False, seconds=4.0)
    again = anna.hand()[0]
    assert again["clip_id"] == item["clip_id"]
    assert again["first"] == {"decision_id": first, "answer": "spatial", "reason": None, "strength": None}
    anna.decide(item["clip_id"], "motion", seconds=1.5)
    assert anna.hand()[0]["clip_id"] != item["clip_id"]
    rows = pq.read_table(io.BytesIO(anna.send("GET", "/api/reviews.parquet").content)).to_pylist()
    told = [(row["blind"], row["final"], row["label"], row["generator"]) for row in rows]
    assert told == [(True, False, 0, item["generator"]), (False, True, 2, item["generator"])]


def test_undo_takes_both_answers_back_and_the_clip_returns(anna: Person) -> None:
    item = anna.hand()[0]
    ids = [anna.decide(item["clip_id"], "spatial", blind=True, final=False), anna.decide(item["clip_id"], "none")]
    body = {"decision_id": "e" * 16, "undoes": ids}
    assert anna.send("POST", "/api/undo", body).json()["duplicate"] is False
    assert anna.send("POST", "/api/undo", body).json()["duplicate"] is True
    back = anna.hand()[0]
    assert (back["clip_id"], back["first"], back["shown"]) == (item["clip_id"], None, True)
    rows = anna.send("GET", "/api/reviews.csv").text.splitlines()[1:]
    assert [row.split(",")[-1] for row in rows] == ["", "", f'"{ids[0]} {ids[1]}"']


def test_nobody_undoes_for_another(client: TestClient, anna: Person) -> None:
    made = anna.decide(anna.hand()[0]["clip_id"], "spatial")
    ben = Person(client, "ben")
    refused = ben.send("POST", "/api/undo", {"decision_id": "f" * 16, "undoes": [made]})
    assert refused.status_code == 404


def test_a_rejection_needs_a_reason_and_nothing_else_has_one(anna: Person) -> None:
    clip_id = anna.hand()[0]["clip_id"]
    body = {"decision_id": "a" * 20, "clip_id": clip_id, "answer": "reject"}
    assert anna.send("POST", "/api/decisions", body).status_code == 422
    assert anna.send("POST", "/api/decisions", body | {"answer": "motion", "reason": "other"}).status_code == 422
    assert anna.send("POST", "/api/decisions", body | {"reason": "generated"}).status_code == 422
    assert anna.send("POST", "/api/decisions", body | {"reason": "watermark", "note": "left"}).status_code == 200
    assert ',"watermark","left",' in anna.send("GET", "/api/reviews.csv").text


def test_adjudication_is_the_last_word(start: Callable[..., TestClient], manifests: Manifests) -> None:
    from review_ui.app import create_app

    db = manifests.local_root / "review" / "decisions.sqlite"
    with TestClient(create_app(manifests, db), base_url="http://127.0.0.1") as client:
        anna, ben = Person(client, "anna"), Person(client, "ben")
        clip_id = anna.hand(1, "calibration")[0]["clip_id"]
        assert ben.hand(1, "calibration")[0]["clip_id"] == clip_id
        anna.decide(clip_id, "motion", note="the arm")
        ben.decide(clip_id, "spatial")
        case = anna.get("/api/cases")["cases"][0]
        assert [(each["reviewer"], each["answer"], each["note"]) for each in case["opinions"]] == [
            ("anna", "motion", "the arm"),
            ("ben", "spatial", None),
        ]
        assert "unsure" not in [choice["answer"] for choice in case["item"]["answers"]]
        body = {"decision_id": "9" * 16, "clip_id": clip_id, "answer": "appearance"}
        assert anna.send("POST", "/api/adjudications", body | {"answer": "unsure"}).status_code == 422
        assert anna.send("POST", "/api/adjudications", body).status_code == 200
        assert anna.get("/api/cases")["total"] == 0
        anna.send("POST", "/api/undo", {"decision_id": "8" * 16, "undoes": ["9" * 16]})
        assert anna.get("/api/cases")["total"] == 1
        assert anna.send("POST", "/api/adjudications", body | {"decision_id": "7" * 16}).status_code == 200
    row = manifests.read(FINAL).to_pylist()[0]
    assert (row["clip_id"], row["label"], row["label_name"], row["votes"]) == (clip_id, 1, "appearance", 2)
    assert (row["disputed"], row["adjudicated"], row["rejected"]) == (False, True, False)
    judged = manifests.read(REVIEWS).to_pylist()[-1]
    assert (judged["reviewer"], judged["role"], judged["queue"]) == ("anna", "adjudicator", "adjudication")


def test_an_adjudicator_sees_what_was_said_blind(start: Callable[..., TestClient]) -> None:
    client = start(settings=Settings(shown=0.0))
    anna, ben, chiara = (Person(client, name) for name in ("anna", "ben", "chiara"))
    clip_id = {person.hand(1, "calibration")[0]["clip_id"] for person in (anna, ben, chiara)}.pop()
    anna.decide(clip_id, "spatial", final=False)
    anna.decide(clip_id, "motion")
    ben.decide(clip_id, "spatial")
    chiara.decide(clip_id, "none", final=False)
    opinions = anna.get("/api/cases")["cases"][0]["opinions"]
    # Chiara has not said her last word.
    assert [(each["reviewer"], each["first"], each["answer"]) for each in opinions] == [
        ("anna", "spatial", "motion"),
        ("ben", "spatial", "spatial"),
    ]


def test_nothing_is_lost_over_a_restart(start: Callable[..., TestClient], manifests: Manifests) -> None:
    client = start()
    anna = Person(client, "anna")
    hand = [item["clip_id"] for item in anna.hand(3)]
    anna.decide(hand[0], "motion", blind=True, final=False)
    again = start()
    anna.client = again
    assert [item["clip_id"] for item in anna.hand(3)] == hand
    assert anna.hand(3)[0]["first"]["answer"] == "motion"
    assert hand[1] not in [item["clip_id"] for item in Person(again, "ben").hand(3)]


def test_stopping_exports_and_a_lost_database_is_made_again(
    manifests: Manifests, db: Path, start: Callable[..., TestClient]
) -> None:
    from review_ui.app import create_app

    with TestClient(create_app(manifests, db), base_url="http://127.0.0.1") as client:
        anna = Person(client, "anna")
        items = anna.hand(3)
        made = [anna.decide(item["clip_id"], "motion") for item in items]
        undo = secrets.token_hex(16)
        anna.send("POST", "/api/undo", {"decision_id": undo, "undoes": made[2:]})
    rows = manifests.read(REVIEWS)
    assert rows.schema.equals(REVIEWS.schema)
    assert rows["decision_id"].to_pylist() == [*made, undo]
    assert rows["undoes"].to_pylist() == [None, None, None, made[2:]]
    for file in db.parent.glob("decisions.sqlite*"):
        file.unlink()
    anna = Person(start(), "anna")
    assert anna.get("/api/statistics")["done"] == 2
    assert items[2]["clip_id"] == anna.hand()[0]["clip_id"]


def test_what_the_manifest_alone_knows_is_taken_in(
    manifests: Manifests, db: Path, start: Callable[..., TestClient]
) -> None:
    from review_ui.app import create_app

    with TestClient(create_app(manifests, db), base_url="http://127.0.0.1") as client:
        anna = Person(client, "anna")
        mine = [anna.decide(item["clip_id"], "motion") for item in anna.hand(2)]
        other = anna.hand()[0]["clip_id"]
    rows = manifests.read(REVIEWS).to_pylist()
    # Elsewhere somebody has taken the first back, and decided on another clip.
    rows.append(rows[0] | {"decision_id": "u" * 16, "decision": None, "final": False, "undoes": [mine[0]]})
    rows.append(rows[1] | {"decision_id": "f" * 16, "clip_id": other, "reviewer": "ben"})
    manifests.replace(REVIEWS, [pa.Table.from_pylist(rows, schema=REVIEWS.schema)])
    told = pq.read_table(io.BytesIO(Person(start(), "anna").send("GET", "/api/reviews.parquet").content)).to_pylist()
    undoes = {row["decision_id"]: row["undoes"] for row in told}
    assert undoes == {mine[0]: None, "u" * 16: [mine[0]], mine[1]: None, "f" * 16: None}


def test_re_labelling_upstream_keeps_decisions(manifests: Manifests, start: Callable[..., TestClient]) -> None:
    from hfv_builder.storage.schema import LABELS

    anna = Person(start(), "anna")
    item = anna.hand(1, generator="alpha")[0]
    anna.decide(item["clip_id"], "motion")
    rows = manifests.read(LABELS, generator="alpha").to_pylist()
    for row in rows:
        row["auto_label"] = 2
    manifests.replace(LABELS, [type(manifests.read(LABELS)).from_pylist(rows, schema=LABELS.schema)], generator="alpha")
    again = Person(start(), "anna")
    assert again.get("/api/statistics")["done"] == 1
    assert item["clip_id"] not in [each["clip_id"] for each in again.hand(8, generator="alpha")]


def test_queues_and_statistics(anna: Person) -> None:
    offer = anna.get("/api/queues?generator=beta")
    assert [queue["name"] for queue in offer["queues"]][:2] == ["labels", "calibration"]
    assert offer["generators"] == ["alpha", "beta"]
    assert {queue["name"]: queue["total"] for queue in offer["queues"]}["failed"] == 1
    stats = anna.get("/api/statistics")
    assert stats["total"] == 10
    assert sum(row["total"] for row in stats["progress"]) == 10


def test_evidence_lies_on_the_times_of_the_video(start: Callable[..., TestClient]) -> None:
    anna = Person(start(settings=Settings(shown=1.0)), "anna")
    item = anna.hand()[0]
    found = anna.get(f"/api/clips/{item['clip_id']}/evidence")
    assert len(found["frame_times"]) == item["num_frames"]
    trace = found["traces"]["motion"]
    assert trace["times"] == found["frame_times"][:-1]
    assert trace["values"][trace["worst"]] == max(trace["values"])
    assert found["panels"] == []


def test_a_damaged_part_of_the_scores_is_told(manifests: Manifests, start: Callable[..., TestClient]) -> None:
    anna = Person(start(settings=Settings(shown=1.0)), "anna")
    for part in manifests.parts(SCORES, profile="lite", metric="motion", generator="alpha"):
        Path(str(part)).write_bytes(b"no Parquet")
    item = anna.hand(1, generator="alpha")[0]
    traces = anna.get(f"/api/clips/{item['clip_id']}/evidence")["traces"]
    assert traces["motion"]["error"] == "a part of the scores cannot be read; score this generator again"
    assert (traces["motion"]["values"], traces["motion"]["worst"]) == ([], None)
    assert len(traces["spatial"]["values"]) == item["num_frames"] - 1


def test_evidence_pictures_are_served_when_scoring_wrote_them(
    manifests: Manifests, start: Callable[..., TestClient]
) -> None:
    anna = Person(start(settings=Settings(shown=1.0)), "anna")
    item = anna.hand(1, generator="alpha")[0]
    path = Path(str(manifests.evidence(item["clip_id"], Metric.MOTION, profile="lite", generator="alpha")))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a picture")
    assert anna.get(f"/api/clips/{item['clip_id']}/evidence")["panels"] == ["motion"]
    assert anna.send("GET", f"/media/{item['clip_id']}/motion.webp").content == b"a picture"
    assert anna.send("GET", f"/media/{item['clip_id']}/spatial.webp").status_code == 404
