"""Browsing: what is found and in which order, who may know what, and the page of a clip."""

import csv
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import METRICS, Label, Metric
from hfv_builder.storage.manifest import Manifests
from review_ui.board import Board
from review_ui.browse import Search, select
from review_ui.clips import NONE, Clips
from review_ui.filter import Filter
from review_ui.settings import QueueSettings, Settings
from review_ui.stability import stability
from review_ui.users import Role, User, hashed
from tests.review_ui.conftest import Person
from tests.review_ui.test_pages import accessible, wrong
from tests.review_ui.test_stats import auto, other, said
from tests.review_ui.touch import PHONE

Start = Callable[..., TestClient]
CALM = Settings(overlap=2, shown=0.0, calibration=0, repeats=0)


@pytest.fixture(scope="module")
def clips(sample: Manifests) -> Clips:
    return Clips(sample)


def team(**generators: tuple[str, ...]) -> dict[str, User]:
    """The users file of two reviewers and an adjudicator."""
    roles = {"anna": Role.REVIEWER, "ben": Role.REVIEWER, "zoe": Role.ADJUDICATOR}
    return {
        name: User(name=name, token_hash=hashed(name), role=role, generators=generators.get(name))
        for name, role in roles.items()
    }


def enter(client: TestClient, *names: str) -> list[Person]:
    return [Person(client, name, name) for name in names]


def ids(person: Person, **asked: Any) -> list[str]:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    return [clip["clip_id"] for clip in person.get(f"/api/browse?{query}")["clips"]]


def test_clips_are_found_by_the_beginning_of_their_id_and_by_a_part_of_their_name(clips: Clips) -> None:
    board = Board(clips, Settings())
    found = partial(select, clips, board)
    assert [clips.ids[row] for row in found(Search(text=clips.ids[3][:9].upper()))] == [clips.ids[3]]
    assert [clips.names[int(row)].as_py() for row in found(Search(text="OLD."))] == ["old.avi"]
    assert list(found(Search(text="old", by_name=False))) == []
    assert list(found(Search(text="clips/"))) == []  # folders are no part of a name
    assert [clips.names[int(row)].as_py() for row in found(Search(sort="name"))] == sorted(
        clips.names.to_pylist(), key=str.lower
    )
    assert [clips.ids[row] for row in found(Search())] == sorted(clips.ids)
    assert len(found(Search(wanted=Filter(among=("beta",))))) == 3
    assert len(found(Search(failed=True))) == 1


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["margin", *(metric.value for metric in METRICS)])
def test_what_has_no_value_comes_last_in_both_directions(clips: Clips, sort: str, descending: bool) -> None:
    rows = select(clips, Board(clips, Settings()), Search(sort=sort, descending=descending))
    values = np.where(clips.margin == NONE, np.nan, clips.margin) if sort == "margin" else clips.scores[Metric(sort)]
    ordered = values[rows]
    assert np.isnan(ordered[-1])
    assert list(ordered[:-1]) == sorted(values[~np.isnan(values)], reverse=descending)


def test_ranges_and_what_reviewers_say(clips: Clips) -> None:
    board = Board(clips, Settings(overlap=2))
    rows = [int(row) for row in np.flatnonzero(clips.margin != NONE)][:4]
    confirmed, changed, rejected, disputed = rows
    for row, label in ((confirmed, auto(clips, confirmed)), (changed, other(clips, changed)), (rejected, None)):
        for name in ("anna", "ben"):
            board.apply(said(clips, row, name, label))
    board.apply(said(clips, disputed, "anna", 0))
    board.apply(said(clips, disputed, "ben", 1))
    named = {"confirmed": confirmed, "changed": changed, "rejected": rejected, "disputed": disputed}
    assert {o: list(select(clips, board, Search(opinion=o))) for o in named} == {o: [row] for o, row in named.items()}
    assert set(select(clips, board, Search(opinion="open"))) == set(np.flatnonzero(~clips.failed)) - {*rows[:3]}
    scores = clips.scores[Metric.MOTION]
    low, high = np.nanquantile(scores, [0.25, 0.75])
    assert set(select(clips, board, Search(score=(Metric.MOTION, low, high)))) == set(
        np.flatnonzero((scores >= low) & (scores <= high))
    )
    assert set(select(clips, board, Search(margin=(0, 1)))) == set(
        np.flatnonzero((clips.margin == 0) | (clips.margin == 1))
    )


REVEALING = (
    "label=motion",
    "margin_from=1",
    "metric=spatial",
    "metric=motion&score_to=1",
    "opinion=open",
    "sort=margin",
)


def test_a_reviewer_with_open_work_learns_no_label(start: Start, clips: Clips) -> None:
    anna, ben, zoe = enter(start(users=team(), settings=CALM), "anna", "ben", "zoe")
    page = anna.get("/api/browse")
    assert (page["sight"], page["labels"], page["total"]) == (False, [], 11)
    for clip in page["clips"]:
        assert (clip["label"], clip["margin"], clip["score"], clip["opinion"]) == (None, None, None, None)
    for query in REVEALING:
        refused = anna.send("GET", f"/api/browse?{query}")
        assert (refused.status_code, "hidden while you have blind clips" in refused.text) == (403, True)
        assert zoe.send("GET", f"/api/browse?{query}").status_code == 200
    clip_id = next(clips.ids[row] for row in range(len(clips)) if not clips.failed[row])
    about = anna.get(f"/api/browse/{clip_id}")
    assert about["hidden"].startswith("Labels and scores of clips are shown to you once")
    assert [about[name] for name in ("suggestion", "distributions", "final", "decisions")] == [None] * 4
    assert anna.send("GET", f"/api/clips/{clip_id}/evidence").status_code == 403
    # Ben answers everything and knows all then; Anna still has none of it.
    while items := ben.hand(8):
        for item in items:
            ben.decide(item["clip_id"], "motion", t_start=0.5, t_end=1.0)
    assert anna.get("/api/browse")["sight"] is False
    assert ben.get("/api/browse")["sight"] is True
    assert ben.get(f"/api/browse/{clip_id}")["suggestion"] is not None
    assert ben.get(f"/api/browse/{clip_id}")["decisions"] is None  # those are for adjudicators
    spoken = zoe.get(f"/api/browse/{clip_id}")["decisions"]
    assert [(one["reviewer"], one["answer"], one["undone"]) for one in spoken] == [("ben", "motion", False)]
    assert (spoken[0]["t_start"], spoken[0]["t_end"], spoken[0]["box"]) == (0.5, 1.0, None)


def test_what_was_browsed_with_sight_is_never_answered_blind(start: Start, manifests: Manifests, db: Path) -> None:
    client = start(users=team(), settings=CALM, export_on_exit=False)
    (zoe,) = enter(client, "zoe")
    assert zoe.get("/api/browse?generator=alpha")["sight"] is True
    client.__exit__(None, None, None)
    (zoe,) = enter(start(users=team(), settings=CALM), "zoe")  # also after a restart
    assert [item["shown"] for item in zoe.hand(3, generator="alpha")] == [True] * 3
    assert [item["shown"] for item in zoe.hand(3, generator="beta")] == [False] * 2
    client.__enter__()


def test_a_project_may_open_everything_and_without_users_all_are_reviewers(start: Start) -> None:
    assert Person(start(settings=CALM), "anna").get("/api/browse")["sight"] is False
    assert Person(start(settings=Settings(browse="open")), "anna").get("/api/browse")["sight"] is True
    shown = {name: QueueSettings(blind=False) for name in Settings().queues}
    assert Person(start(settings=Settings(queues=shown)), "anna").get("/api/browse")["sight"] is True


def test_where_clips_come_from_stays_hidden(start: Start) -> None:
    client = start(users=team(), settings=Settings(show_source=False))
    anna, zoe = enter(client, "anna", "zoe")
    page = anna.get("/api/browse?text=old")
    assert (page["total"], page["generators"]) == (0, [])
    clip = anna.get("/api/browse")["clips"][0]
    assert (clip["name"], clip["source"]) == (None, None)
    about = anna.get(f"/api/browse/{clip['clip_id']}")
    assert (about["name"], about["facts"]["generator"], about["facts"]["source"]) == (None, None, None)
    for path in ("browse?generator=alpha", "browse?sort=name", "queues?generator=alpha"):
        assert anna.send("GET", f"/api/{path}").status_code == 403
    assert anna.send("POST", "/api/queues/labels/hand", {"generator": "alpha"}).status_code == 403
    assert (anna.get("/api/queues")["generators"], zoe.get("/api/queues")["generators"]) == ([], ["alpha", "beta"])
    assert zoe.get("/api/browse?text=old")["clips"][0]["name"] == "old.avi"


def test_no_address_reaches_another_file(start: Start) -> None:
    anna = Person(start(settings=CALM), "anna")
    for path in ("..%2f..%2fetc%2fpasswd", "%2e%2e", "0" * 16, "a.mp4"):
        assert anna.send("GET", f"/api/browse/{path}").status_code in (404, 422)
        assert anna.send("GET", f"/clip/{path}", Accept="text/html").status_code == 404
    assert "path" not in anna.get(f"/api/browse/{ids(anna)[0]}")["facts"]
    assert anna.send("GET", "/api/browse?score_from=nan&metric=motion").status_code == 422
    assert anna.send("GET", "/api/browse?score_from=1").status_code == 422
    assert anna.client.get("/api/browse").status_code == 401


def test_the_page_of_a_clip_shows_where_it_is_among_its_generator(start: Start, clips: Clips) -> None:
    anna = Person(start(settings=Settings(browse="open")), "anna")
    row = next(row for row in range(len(clips)) if clips.suggestion(row))
    about = anna.get(f"/api/browse/{clips.ids[row]}")
    for metric in METRICS:
        own = about["distributions"][metric.value]
        assert (own["rank"], own["size"]) == (about["suggestion"]["ranks"][metric.value], sum(own["counts"]))
        assert own["above"] == pytest.approx((own["rank"] - 1) / own["size"])
        assert own["edges"][0] <= own["score"] <= own["edges"][-1]
    assert about["final"] == {"label": None, "votes": 0, "disputed": False, "adjudicated": False}
    skipped = [one for page in range(3) for one in ids(anna, sort="motion", skip=5 * page, count=5)]
    assert skipped == ids(anna, sort="motion")


def test_reviewers_are_dealt_only_what_they_are_assigned_to(start: Start) -> None:
    users = team(anna=("beta",))
    users["ben"] = User(name="ben", token_hash=hashed("ben"), role=Role.REVIEWER, queues=("labels",))
    anna, ben = enter(start(users=users, settings=Settings(shown=1.0, calibration=3)), "anna", "ben")
    assert {item["generator"] for item in anna.hand(8)} == {"beta"}
    assert anna.get("/api/browse")["total"] == 3
    offer = anna.get("/api/queues")
    assert offer["generators"] == ["beta"]
    totals = {queue["name"]: queue["total"] for queue in offer["queues"]}
    assert (totals["labels"], totals["calibration"]) == (2, 3)  # the calibration set is the same for all
    assert len(anna.hand(8, "calibration")) == 3
    assert [queue["name"] for queue in ben.get("/api/queues")["queues"]] == ["labels"]
    refused = ben.send("POST", "/api/queues/calibration/hand", {"count": 1})
    assert (refused.status_code, "not assigned to the queue calibration" in refused.text) == (403, True)


@pytest.mark.parametrize("seed", [0, 1])
def test_labels_with_a_wide_margin_stay(seed: int) -> None:
    class Ranked:
        """Clips of one generator: the first stands out on each metric in turn, the others hardly differ."""

        def __init__(self, rng: np.random.Generator) -> None:
            self.generators = ["a", "without ranks"]
            scores = rng.random((60, 3))
            scores[:30, 0] += np.arange(30)
            scores[30:, 1] += np.arange(30)
            order = (-scores).argsort(axis=0).argsort(axis=0) + 1
            placed = np.sort(order, axis=1)
            self.auto_label, self.margin = order.argmin(axis=1), placed[:, 1] - placed[:, 0]
            self.scores = dict(zip(METRICS, scores.T, strict=True))
            self.generator = np.zeros(60, int)

        def __len__(self) -> int:
            return 60

    ranked: Any = Ranked(np.random.default_rng(seed))
    bins = stability(ranked)
    assert sum(part["clips"] for part in bins) == 60
    assert all(0 <= part["from"] <= part["stay"] <= part["to"] <= 1 for part in bins)
    assert bins[-1]["stay"] > 0.99 > bins[0]["stay"]
    ranked.auto_label = (ranked.auto_label + 1) % len(Label)  # not the labels of these scores
    stability.cache_clear()
    assert stability(ranked) == []


TOTAL = "document.querySelector('#total').innerText"
PERCENTS = "import('/static/ui.js').then(({ percent }) => [0, 0.004, 0.5, 0.996, 1].map((share) => percent(share)))"


def saved(desk: Any, title: str) -> bytes:
    """The file that this button of the dashboard downloads."""
    with desk.page.expect_download() as download:
        desk.page.get_by_label(title, exact=True).click()
    return Path(download.value.path()).read_bytes()


def test_a_team_browses_on_a_laptop_and_on_a_phone(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(browse="open", shown=1.0))
    desk = sit(served, "anna", "/browse")
    desk.counts(".tile", 11)
    desk.page.select_option("[name=sort]", "motion")
    desk.page.select_option("[name=descending]", "true")
    desk.page.select_option("[name=generator]", "alpha")
    desk.until(f"{TOTAL} === '8 clips'")
    desk.page.fill("[name=text]", "a3")
    desk.until(f"{TOTAL} === '1 clip'")
    assert "text=a3" in desk.page.url
    desk.page.locator(".tile").focus()
    desk.until("document.querySelector('.tile video')?.currentTime > 0")
    assert wrong(desk) == []
    accessible(desk, "the grid")
    desk.press("Enter")
    desk.page.wait_for_url("**/clip/*")
    desk.in_phase("clip").until("!!document.querySelector('#screen').dataset.swap")
    assert desk.text("#name") == "a3.mp4"
    desk.counts("#lanes path", 3)
    assert desk.page.locator("#among svg").count() == 3
    accessible(desk, "a clip")
    desk.visit("/dashboard")
    desk.page.click("#tab-quality")
    for title, magic in (("Confirmed by margin as PNG", b"\x89PNG"), ("Generators as PNG", b"\x89PNG")):
        assert saved(desk, title).startswith(magic)
    rows = list(csv.DictReader(io.StringIO(saved(desk, "Generators as CSV").decode())))
    assert [(row["generator"], row["clips"], row["upheld.n"]) for row in rows] == [
        ("alpha", "8", "0"),
        ("beta", "2", "0"),
    ]
    shown = desk.page.evaluate(PERCENTS)
    assert shown == ["0 %", "< 1 %", "50 %", "> 99 %", "100 %"]  # 0 or 100 only if it is that
    screen = {"width": PHONE[0], "height": PHONE[1]}
    phone = sit(
        served, "ben", "/browse?generator=alpha", has_touch=True, is_mobile=True, screen=screen, viewport=screen
    )
    phone.until(f"{TOTAL} === '8 clips'")
    assert wrong(phone) == []
    phone.page.locator(".tile").first.tap()
    phone.page.wait_for_url("**/clip/*")
    phone.in_phase("clip")
    assert wrong(phone) == []
