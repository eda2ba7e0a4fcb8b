"""One's own answers: listed, and changed by answering again."""

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import FINAL, REVIEWS
from pipelines.review import export_reviews
from review_ui.settings import REVISIT, Settings
from tests.review_ui.conftest import Person


def test_a_changed_answer_is_a_new_decision_and_counts_instead(
    start: Callable[..., TestClient], manifests: Manifests
) -> None:
    client = start(settings=Settings(shown=1.0, repeats=0))
    anna, ben = Person(client, "anna"), Person(client, "ben")
    first, second = (item["clip_id"] for item in anna.hand(2, generator="alpha"))
    anna.decide(first, "spatial", note="a hand")
    anna.decide(second, "reject", reason="broken")
    listed = anna.get("/api/answers")
    assert [(one["clip_id"], one["answer"], one["reason"]) for one in listed["answers"]] == [
        (second, "reject", "broken"),
        (first, "spatial", None),
    ]
    assert (listed["total"], listed["answers"][1]["note"], listed["answers"][1]["source"]) == (2, "a hand", "alpha")
    assert anna.get("/api/answers?skip=1&count=1")["answers"] == listed["answers"][1:]
    assert ben.get("/api/answers") == {"answers": [], "total": 0}

    again = anna.send("POST", f"/api/answers/{first}/hand").json()
    assert (again["item"]["clip_id"], again["answer"], again["item"]["shown"]) == (first, "spatial", True)
    changed = anna.decide(first, "motion")
    assert [(one["clip_id"], one["answer"]) for one in anna.get("/api/answers")["answers"]] == [
        (first, "motion"),
        (second, "reject"),
    ]
    assert anna.get("/api/statistics")["reviewers"][0]["with_self"]["n"] == 0
    anna.send("POST", "/api/undo", {"decision_id": "u" * 16, "undoes": [changed]})
    assert {one["answer"] for one in anna.get("/api/answers")["answers"]} == {"spatial", "reject"}
    anna.decide(first, "appearance")
    client.__exit__(None, None, None)
    rows = [row for row in manifests.read(REVIEWS).to_pylist() if row["clip_id"] == first and row["decision"]]
    assert [(row["label"], row["queue"], row["blind"]) for row in rows] == [
        (0, "labels", False),
        (2, REVISIT, False),
        (1, REVISIT, False),
    ]
    export_reviews(manifests)
    final = {row["clip_id"]: row["label"] for row in manifests.read(FINAL).to_pylist()}
    assert final[first] == 1
    client.__enter__()


def test_nobody_answers_again_what_they_have_not_answered(anna: Person) -> None:
    ben = Person(anna.client, "ben")
    clip_id = anna.hand()[0]["clip_id"]
    assert anna.send("POST", f"/api/answers/{clip_id}/hand").status_code == 409
    anna.decide(clip_id, "motion")
    assert ben.send("POST", f"/api/answers/{clip_id}/hand").status_code == 409
    assert ben.send("POST", f"/api/answers/{'0' * 16}/hand").status_code == 404
    assert anna.client.get("/api/answers").status_code == 401


MINE = "[...document.querySelectorAll('.mine b')].map((one) => one.innerText).join(' ')"


def test_an_answer_is_changed_in_the_browser(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0, repeats=0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    clip, other = desk.give("1"), desk.give("2")
    desk.saved()
    desk.page.goto(f"{served.url}/answers")
    desk.until(f"{MINE} === 'Appearance Spatial'")
    desk.page.click(".mine.spatial")
    desk.page.wait_for_url("**/review?*")
    desk.ready()
    assert (desk.clip, desk.text("#question")) == (clip, "Change your answer?")
    assert "yours" in desk.text("[data-answer=spatial]")
    desk.press("3", "Enter")
    desk.page.wait_for_url("**/answers")
    desk.until(f"{MINE} === 'Motion Appearance'")
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    assert [(row["clip_id"], row["label"]) for row in rows] == [(clip, 0), (other, 1), (clip, 2)]
