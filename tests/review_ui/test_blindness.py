"""Ways to learn an automatic label before answering: after them no answer is recorded as blind."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import Label
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS
from review_ui.settings import Settings
from tests.review_ui.conftest import Person

Start = Callable[..., TestClient]
BLIND = Settings(shown=0.0, calibration=20)


def blind(person: Person) -> dict[str, bool]:
    """Whether the person's latest answer to each clip is recorded as blind."""
    rows = person.send("GET", "/api/reviews.csv").text.splitlines()
    names = [name.strip('"') for name in rows[0].split(",")]
    said = [dict(zip(names, (cell.strip('"') for cell in row.split(",")), strict=True)) for row in rows[1:]]
    return {row["clip_id"]: row["blind"] == "true" for row in said}


@pytest.mark.parametrize("held", [True, False])
def test_a_filter_by_label_tells_about_what_it_passes_over(start: Start, manifests: Manifests, held: bool) -> None:
    labels = {row["clip_id"]: Label(row["auto_label"]) for row in manifests.read(LABELS).to_pylist()}
    anna = Person(start(settings=BLIND), "anna")
    clip_id = anna.hand(1)[0]["clip_id"]
    if not held:
        anna.send("DELETE", "/api/hand")
    for label in {Label.SPATIAL, Label.APPEARANCE, Label.MOTION} - {labels[clip_id]}:
        assert clip_id not in {item["clip_id"] for item in anna.hand(1, label=str(label))}
    shown = {item["clip_id"]: item["shown"] for item in anna.hand(8)}
    assert shown[clip_id]
    anna.decide(clip_id, str(labels[clip_id]))
    assert blind(anna) == {clip_id: False}


def test_a_filter_by_label_tells_nothing_about_what_it_does_not_reach(start: Start) -> None:
    anna = Person(start(settings=BLIND), "anna")
    first = anna.hand(1)[0]["clip_id"]
    label = str(Label(1))
    reached = anna.hand(1, label=label)[0]["clip_id"]
    anna.send("DELETE", "/api/hand")
    shown = {item["clip_id"]: item["shown"] for item in anna.hand(8)}
    order = list(shown)
    assert [shown[clip_id] for clip_id in order] == [place <= order.index(reached) for place in range(len(order))]
    assert shown[first]
    assert not all(shown.values())


def test_who_leaves_a_repeat_and_looks_it_up_is_not_blind(start: Start) -> None:
    anna = Person(start(settings=BLIND), "anna")
    clip_id = anna.hand()[0]["clip_id"]
    anna.decide(clip_id, "motion")
    assert [item["shown"] for item in anna.hand(1, "repeats")] == [False]
    anna.hand(1, "failed")  # a late answer to the repeat is still accepted
    assert anna.get(f"/api/clips/{clip_id}")["suggestion"] is not None
    anna.decide(clip_id, "spatial")
    assert blind(anna) == {clip_id: False}


def test_who_has_downloaded_the_answers_of_others_is_not_blind_for_their_clips(start: Start) -> None:
    client = start(settings=BLIND)
    anna, zoe = Person(client, "anna"), Person(client, "zoe")
    seen, other = (item["clip_id"] for item in anna.hand(2, "calibration"))
    anna.decide(seen, "motion")
    zoe.send("GET", "/api/reviews.parquet")
    assert {item["clip_id"]: item["shown"] for item in zoe.hand(2, "calibration")} == {seen: True, other: False}
