"""The second pass: when and where an anomaly is, proposed, confirmed, corrected, exported and compared."""

import io
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from hfv_builder.labelling.marks import agreed
from hfv_builder.labelling.reviews import read_reviews
from hfv_builder.records import METRICS, Metric
from hfv_builder.scoring.heat import described, greys
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import REVIEWS, SCORES
from pipelines.review import export_reviews
from review_ui.details import marks, overlap
from review_ui.settings import MARKS, Settings
from tests.review_ui.browser import CLIP, Desk
from tests.review_ui.conftest import Person
from tests.review_ui.sample import make_clip, write_manifests
from tests.review_ui.test_pages import wrong
from tests.review_ui.touch import PHONE, tap, touching

ON = Settings(shown=1.0, overlap=2, repeats=0, calibration=0, marks=True)
SAID = "document.getElementById('marked').textContent"
WORST, STEP = 10, 1 / 12
"""The first frame of the worst step, and the time between two frames."""
SPAN = (WORST * STEP, (WORST + 2) * STEP)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Six clips of 320 × 240, all worst at one step, with an error map that is bright in one part."""
    root = tmp_path_factory.mktemp("placed")
    (root / "clips").mkdir()
    manifests = Manifests(root / "manifests")
    write_manifests(manifests, {"alpha": [make_clip(root / "clips" / f"{n}.mp4", seed=n) for n in range(6)]})
    errors = np.zeros((96, 128), np.float32)
    errors[24:48, 64:96] = 0.9
    image = io.BytesIO()
    Image.fromarray(np.concatenate([np.full((96, 130, 3), 90, np.uint8), greys(errors)], axis=1)).save(
        image, "WEBP", lossless=True, exif=described(128)
    )
    for metric in METRICS:
        keys = {"profile": "lite", "metric": metric.value, "generator": "alpha"}
        rows = manifests.read(SCORES, **keys).to_pylist()
        for row in rows:
            row["trace"] = [0.1] * WORST + [0.9] + [0.1] * (len(row["trace"]) - WORST - 1)
            if metric is not Metric.APPEARANCE:
                file = Path(str(manifests.evidence(row["clip_id"], metric, profile="lite", generator="alpha")))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(image.getvalue())
        table = manifests.read(SCORES, **keys)
        manifests.replace(SCORES, [type(table).from_pylist(rows, schema=SCORES.schema)], **keys)
    return manifests


def test_one_marks_what_one_has_answered(start: Callable[..., TestClient], manifests: Manifests, db: Path) -> None:
    client = start(settings=ON, export_on_exit=False)
    anna = Person(client, "anna")
    queues = {queue["name"]: queue["left"] for queue in anna.get("/api/queues")["queues"]}
    assert queues[MARKS] == 0
    one, two, three = (item["clip_id"] for item in anna.hand(3, generator="alpha"))
    anna.decide(one, "spatial", strength="weak", note="a hand")
    anna.decide(two, "none")
    anna.decide(three, "motion")
    items = anna.hand(4, MARKS)
    assert [item["clip_id"] for item in items] == [one, three]
    assert items[0]["given"] == {
        **{"answer": "spatial", "reason": None, "strength": "weak"},
        **{"t_start": None, "t_end": None, "box": None},
    }
    assert all(item["marking"] and item["shown"] for item in items)
    marks: dict[str, Any] = {"t_start": 0.25, "t_end": 1.0, "box": [10, 20, 30, 40]}
    marked = anna.decide(one, "spatial", strength="weak", **marks)
    anna.decide(three, "motion")  # it has no place
    assert anna.hand(4, MARKS) == []
    assert anna.send("POST", "/api/undo", {"decision_id": "u" * 32, "undoes": [marked]}).status_code == 200
    assert [item["clip_id"] for item in anna.hand(4, MARKS)] == [one]
    anna.decide(one, "spatial", strength="weak", **marks)
    again = anna.send("POST", f"/api/answers/{one}/hand").json()["item"]["given"]
    assert again == {"answer": "spatial", "reason": None, "strength": "weak", **marks}
    row = anna.get("/api/statistics")["reviewers"][0]
    assert (row["clips"], row["unsure"]["n"], row["with_self"]["n"]) == (3, 3, 0)
    export_reviews(manifests, db=db)
    last = [row for row in manifests.read(REVIEWS).to_pylist() if row["queue"] == MARKS and row["decision"]][-1]
    assert (last["t_start"], last["t_end"], last["box"]) == (0.25, 1.0, {"x": 10, "y": 20, "w": 30, "h": 40})
    assert '"10 20 30 40"' in anna.send("GET", "/api/reviews.csv").text


BODY = {"decision_id": "0" * 32, "answer": "spatial"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"t_start": 1.0}, "a span has both t_start and t_end"),
    ({"t_start": 1.0, "t_end": 1.0}, "t_start 1 is not before t_end 1"),
    ({"t_start": 8.0, "t_end": 9.0}, "t_start 8 is after the end of the clip, which lasts 2 s"),
    ({"t_start": -1.0, "t_end": 1.0}, "t_start: input should be greater"),
    ({"box": [0, 0, 0, 5]}, "box.2: input should be greater"),
    ({"box": [300, 0, 21, 5]}, "the box ends at 321, 5, outside the clip of 320 × 240 pixels"),
    ({"box": [1, 2, 3]}, "box"),
    ({"answer": "none", "t_start": 0.0, "t_end": 1.0}, "only an anomaly has a strength, a span and a box"),
]


def test_marks_that_cannot_be_are_refused(start: Callable[..., TestClient]) -> None:
    anna = Person(start(), "anna")
    clip = anna.hand(1, generator="alpha")[0]["clip_id"]
    for fields, said in WRONG:
        answer = anna.send("POST", "/api/decisions", {**BODY, "clip_id": clip, **fields})
        assert answer.status_code == 422
        assert said in answer.json()["error"]
    refused = anna.send("POST", f"/api/queues/{MARKS}/hand", {"count": 1})
    assert (refused.status_code, "set marks = true" in refused.json()["error"]) == (409, True)
    assert MARKS not in {queue["name"] for queue in anna.get("/api/queues")["queues"]}
    anna.decide(clip, "spatial")
    assert anna.get(f"/api/clips/{clip}/evidence")["marks"] == {}
    other = anna.hand(1, generator="alpha")[0]["clip_id"]
    anna.decide(other, "spatial", t_start=1.0, t_end=9.0)  # the sound may last longer than the frames


def test_an_adjudicator_still_sees_the_blind_answer(start: Callable[..., TestClient]) -> None:
    client = start(settings=Settings(shown=0.0, overlap=2, repeats=0, calibration=0, marks=True))
    anna, ben = Person(client, "anna"), Person(client, "ben")
    clip = anna.hand(1, generator="alpha")[0]["clip_id"]
    anna.decide(clip, "motion", final=False)
    anna.decide(clip, "spatial")
    anna.hand(1, MARKS)
    anna.decide(clip, "spatial", t_start=0.0, t_end=0.5)
    assert clip in [item["clip_id"] for item in ben.hand(8, generator="alpha")]
    ben.decide(clip, "appearance")
    said = {each["reviewer"]: each for each in anna.get("/api/cases")["cases"][0]["opinions"]}["anna"]
    assert (said["answer"], said["first"], said["t_start"], said["t_end"]) == ("spatial", "motion", 0.0, 0.5)


def test_an_adjudicator_marks_as_reviewers_do(start: Callable[..., TestClient], manifests: Manifests, db: Path) -> None:
    client = start(settings=replace(ON, overlap=3), export_on_exit=False)
    anna, ben, chloe, zoe = (Person(client, name) for name in ("anna", "ben", "chloe", "zoe"))
    clip = anna.hand(1, generator="alpha")[0]["clip_id"]
    for person, answer, own in (
        (anna, "spatial", {"t_start": 0.0, "t_end": 1.0, "box": [0, 0, 10, 10]}),
        (ben, "motion", {}),
        (chloe, "spatial", {"t_start": 0.5, "t_end": 1.25}),
    ):
        assert clip in [item["clip_id"] for item in person.hand(8, generator="alpha")]
        person.decide(clip, answer, **own)
    case = zoe.get("/api/cases")["cases"][0]
    assert case["item"]["marking"]
    # What a release would take of the reviewers, so that an adjudicator who changes nothing loses nothing.
    assert case["marks"] == {"spatial": {"t_start": 0.25, "t_end": 1.125, "box": [0, 0, 10, 10]}}
    for fields, said in WRONG:
        refused = zoe.send("POST", "/api/adjudications", {**BODY, "clip_id": clip, **fields})
        assert (refused.status_code, said in refused.json()["error"]) == (422, True), fields
    given: dict[str, Any] = {"t_start": 0.5, "t_end": 0.75, "box": [20, 30, 40, 50]}
    ids = []
    for own in ({}, given):
        ids.append(secrets.token_hex(16))
        body = {**BODY, "decision_id": ids[-1], "clip_id": clip, **own}
        assert zoe.send("POST", "/api/adjudications", body).status_code == 200
    counts = zoe.get("/api/statistics")["marks"]
    assert (counts["marked"], counts["settled"]) == (2, 1)
    export_reviews(manifests, db=db)
    rows, _ = read_reviews(manifests)
    assert agreed(row for row in rows if row.label == 0) == ((0.5, 0.75), (20, 30, 40, 50))
    assert zoe.send("POST", "/api/undo", {"decision_id": "u" * 32, "undoes": ids}).status_code == 200
    export_reviews(manifests, db=db)
    assert marks([], read_reviews(manifests)[0])["settled"] == 0


def test_overlap_by_hand(placed: Manifests, tmp_path: Path) -> None:
    assert overlap([]) == {"n": 0, "mean": None, "from": None, "to": None, "good": overlap([])["good"]}
    assert (overlap([0.4])["mean"], overlap([0.4])["from"], overlap([0.4])["good"]["share"]) == (0.4, None, 0.0)
    many = overlap([0.2, 0.6] * 50)
    assert (many["n"], many["mean"], many["good"]["share"]) == (100, pytest.approx(0.4), 0.5)
    assert many["from"] == pytest.approx(0.4 - 1.96 * 0.02, abs=0.01)
    assert many["to"] == pytest.approx(0.4 + 1.96 * 0.02, abs=0.01)


def test_columns_that_older_manifests_lack_are_empty(manifests: Manifests, db: Path, start: Any) -> None:
    anna = Person(start(export_on_exit=False), "anna")
    anna.decide(anna.hand(1, generator="alpha")[0]["clip_id"], "spatial")
    export_reviews(manifests, db=db)
    before, _ = read_reviews(manifests)
    part = Path(str(manifests.parts(REVIEWS)[0]))
    import pyarrow.parquet as pq

    table = pq.read_table(part, partitioning=None)
    pq.write_table(table.drop_columns(["strength", "t_start", "t_end", "box"]), part)
    assert read_reviews(manifests)[0] == before


def marking(desk: Desk) -> str:
    """Wait until the marks of the clip are proposed; what the page says of them."""
    desk.ready()
    desk.until(f"!{SAID}.includes('Loading')")
    return str(desk.run(SAID))


def test_confirmed_with_one_key_or_corrected(placed: Manifests, serve: Any, sit: Any) -> None:
    served = serve(placed, settings=ON)
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    for key in ("1", "3", "2", "1"):
        desk.give(key)
    desk.saved()
    desk.page.goto(f"{served.url}/review?queue=marks")
    wanted: dict[str, Any] = {}
    assert marking(desk) == "0.83 to 1.00 s · box of 80 × 60"
    assert wrong(desk) == []
    wanted[desk.give()] = (*SPAN, (160, 60, 80, 60))  # one key
    marking(desk)
    desk.press("ArrowRight", "ArrowRight", "o", "ArrowLeft", "ArrowLeft", "ArrowLeft", "i")
    desk.page.focus("#box")
    desk.press("ArrowLeft", "ArrowDown", "Shift+ArrowRight")
    desk.page.locator("#box").blur()
    wanted[desk.give()] = ((WORST - 1) * STEP, (WORST + 3) * STEP, (157, 62, 83, 60))
    assert marking(desk) == "0.83 to 1.00 s · no box"  # appearance has no error map
    edges = desk.page.locator("#frame").bounding_box()
    at = [(edges["x"] + x * edges["width"], edges["y"] + y * edges["height"]) for x, y in ((0.75, 0.75), (0.25, 0.5))]
    desk.page.mouse.move(*at[0])
    desk.page.mouse.down()
    desk.page.mouse.move(*at[1], steps=3)
    desk.page.mouse.up()
    assert desk.run("document.querySelector('video.on').paused")  # a drag is not a click
    wanted[desk.give()] = (*SPAN, (80, 120, 160, 60))
    marking(desk)
    desk.press("x")
    assert desk.run(SAID) == "no time · no box"
    clip = desk.clip
    desk.press("Enter")
    desk.in_phase("empty")
    wanted[clip] = (None, None, None)
    desk.saved()
    phone = touching(sit, served, "ben", PHONE)
    phone.page.goto(f"{served.url}/review?generator=alpha")
    phone.opened()
    tap(phone, "[data-answer=motion]")
    first = phone.clip
    tap(phone, "#confirm")
    phone.until(f"![it, ''].includes({CLIP})", first)
    phone.saved()
    phone.page.goto(f"{served.url}/review?queue=marks")
    marking(phone)
    assert wrong(phone) == []
    tap(phone, "[data-do=unmark]")
    tap(phone, "[data-do=addbox]")
    tap(phone, "[data-do=to]")
    tap(phone, "#confirm")
    phone.in_phase("empty")
    phone.saved()
    judge = sit(served, "zoe", "/adjudicate").ready()
    assert judge.clip == first
    assert judge.run(SAID) == "Choose an answer, then when and where it is."
    # The reviewers' marks.
    proposed = {"1": "0.83 to 1.00 s · box of 80 × 60", "3": "0.00 to 0.92 s · box of 160 × 120"}
    assert all(words in judge.text("#opinions") for words in proposed.values())
    proposed |= {"2": "0.83 to 1.00 s · no box", "4": "Only an anomaly has a time and a place."}
    for key, words in proposed.items():
        judge.press(key)
        assert judge.run(SAID) == words
    judge.press("3", "x", "z", "1")  # what has been set by hand stays
    assert judge.run(SAID) == "no time · no box"
    assert wrong(judge) == []
    judge.press("ArrowRight", "i")
    judge.page.click("[data-do=addbox]")
    judge.page.locator("#box").blur()
    judge.press("Enter")
    judge.in_phase("empty")
    judge.saved()
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    final = [row for row in rows if row["role"] == "adjudicator"]
    assert [(row["reviewer"], row["label"], row["clip_id"]) for row in final] == [("zoe", 0, first)]
    assert tuple(final[0]["box"].values()) == (80, 60, 160, 120)
    assert final[0]["t_end"] == pytest.approx(24 * STEP)
    rows = [row for row in rows if row["queue"] == MARKS]
    found = {
        (row["reviewer"], row["clip_id"]): (row["t_start"], row["t_end"], row["box"] and tuple(row["box"].values()))
        for row in rows
    }
    ben = found.pop(("ben", first))
    assert ben == (0.0, pytest.approx((WORST + 1) * STEP), (80, 60, 160, 120))
    assert {clip for _, clip in found} == {*wanted}
    for (_, clip), (start, end, box) in found.items():
        assert [start, end] == pytest.approx(list(wanted[clip][:2])), clip
        assert (box is None) == (wanted[clip][2] is None)
        assert box is None or np.abs(np.subtract(box, wanted[clip][2])).max() <= 1, (box, wanted[clip][2])
