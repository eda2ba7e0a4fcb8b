"""How strong an anomaly is: asked of validation candidates, kept, exported and counted."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import REVIEWS, SPLITS
from pipelines.review import export_reviews
from review_ui.settings import Settings
from tests.review_ui.browser import until
from tests.review_ui.conftest import Person
from tests.review_ui.test_pages import wrong

PRESSED = "[...document.querySelectorAll('#strength [aria-pressed=true]')].map((button) => button.dataset.strength)"


def exported(manifests: Manifests) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = manifests.read(REVIEWS).to_pylist()
    return sorted(rows, key=lambda row: row["created_at"])


def test_it_is_kept_and_exported_with_the_decision(
    start: Callable[..., TestClient], manifests: Manifests, db: Any
) -> None:
    client = start(settings=Settings(shown=0.0, repeats=0), export_on_exit=False)
    anna = Person(client, "anna")
    val = {row["clip_id"] for row in manifests.read(SPLITS).to_pylist() if row["split"] == "val"}
    items = anna.hand(4, generator="alpha")
    assert {item["clip_id"] for item in items if item["candidate"]} == val & {item["clip_id"] for item in items}
    one, two, three, _ = (item["clip_id"] for item in items)
    anna.decide(one, "spatial", final=False, strength="strong")
    assert anna.hand(4, generator="alpha")[0]["first"]["strength"] == "strong"
    anna.decide(one, "spatial", strength="strong")
    anna.decide(two, "motion", strength="weak")
    body = {"decision_id": "0" * 32, "clip_id": three}
    for answer, more in (("none", {}), ("unsure", {}), ("reject", {"reason": "broken"})):
        refused = anna.send("POST", "/api/decisions", body | {"answer": answer, "strength": "weak"} | more)
        assert (refused.status_code, "only an anomaly has a strength" in refused.json()["error"]) == (422, True)
    assert anna.send("POST", "/api/decisions", body | {"answer": "motion", "strength": "huge"}).status_code == 422
    assert "strong" in anna.send("GET", "/api/reviews.csv").text
    export_reviews(manifests, db=db)
    assert [row["strength"] for row in exported(manifests)] == ["strong", "strong", "weak"]


def test_shares_and_agreement_by_hand(start: Callable[..., TestClient]) -> None:
    client = start(settings=Settings(shown=1.0, overlap=3, repeats=0, calibration=0))
    people = [Person(client, name) for name in ("anna", "ben", "chloe")]
    first, second = (item["clip_id"] for item in people[0].hand(2, generator="alpha", split="val"))
    for person, clip, answer, strength in (
        (0, first, "spatial", "strong"),
        (1, first, "spatial", "strong"),
        (2, first, "spatial", "weak"),
        (0, second, "motion", "weak"),
        (1, second, "spatial", "strong"),
        (2, second, "motion", None),
    ):
        people[person].hand(2, generator="alpha", split="val")
        people[person].decide(clip, answer, strength=strength)
    found = people[0].get("/api/statistics")["strengths"]
    shares = {
        row["label"]: (row["answers"], row["none"], row["strong"]["n"], row["strong"]["share"])
        for row in found["labels"]
    }
    assert shares == {"spatial": (4, 0, 4, 0.75), "appearance": (0, 0, 0, None), "motion": (2, 1, 1, 0.0)}
    assert (found["agreement"]["n"], found["agreement"]["share"]) == (3, pytest.approx(1 / 3))
    found = people[0].get("/api/cases")["cases"][0]["opinions"]
    assert {each["reviewer"]: each["strength"] for each in found} == {"anna": "weak", "ben": "strong", "chloe": None}


def test_a_second_key_of_candidates_by_keyboard(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=0.0, repeats=0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    val = {row["clip_id"] for row in sample.read(SPLITS).to_pylist() if row["split"] == "val"}
    desk.press("s")  # there is no anomaly yet
    assert desk.run(PRESSED) == []
    desk.press("1", "s")
    assert desk.run(PRESSED) == ["strong"]
    assert wrong(desk) == []
    desk.press("2")  # another anomaly has another strength
    assert desk.run(PRESSED) == []
    wanted: dict[str, str | None] = {desk.give("s"): "strong"}  # kept when the suggestion is shown
    desk.opened().press("3", "w", "w")
    assert desk.run(PRESSED) == []
    wanted[desk.give()] = None
    desk.opened().press("3", "s", "w")
    wanted[desk.give("4")] = None  # no anomaly has no strength
    while desk.opened().clip in val:
        wanted[desk.give("1", "w")] = "weak"
    assert not desk.page.locator("#strength").is_visible()
    wanted[desk.give("1", "s")] = None
    desk.saved()
    until(lambda: served.thread.is_alive())
    served.end()
    rows = [row for row in exported(served.manifests) if row["final"]]
    assert {row["clip_id"]: row["strength"] for row in rows} == wanted
