"""Reviewing in a real browser, by keyboard, on real clips where they are there."""

from collections import Counter
from typing import Any

import pytest

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS, REVIEWS
from review_ui.board import shown_from_start
from review_ui.settings import Settings
from tests.review_ui.browser import Served, until

CLIPS = 6
"""What the scripted reviewer answers, of eight."""
KEYS = {"spatial": "1", "appearance": "2", "motion": "3", "none": "4"}

FRAME = """() => new Promise((done) => {
  const video = document.querySelector("video.on");
  video.requestVideoFrameCallback((now, about) => done(about.mediaTime));
  document.querySelector("[data-do=KEY]").click();
})"""
SAVED = "document.getElementById('saved').textContent"


def answers(served: Served) -> dict[str, Any]:
    """What is exported when the server stops: of each clip the last standing answer, by name."""
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    undone = {each for row in rows for each in row["undoes"] or ()}
    standing = [row for row in rows if row["decision"] and row["decision_id"] not in undone and row["final"]]
    return {row["clip_id"]: row["reason"] if row["label"] is None else list(KEYS)[row["label"]] for row in standing}


def test_the_clip_plays_and_frames_step_exactly(real_sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(real_sample, prepared=False), "anna").ready()
    at = desk.run("document.querySelector('video.on').currentTime")
    until(lambda: desk.run("document.querySelector('video.on').currentTime") > at + 0.2)
    assert desk.run("document.querySelector('video.on').muted && document.querySelector('video.on').loop")
    assert len(desk.run("[...document.querySelectorAll('video')].map((v) => v.src)")) == 4
    desk.press(" ")
    until(lambda: desk.run("document.querySelector('video.on').paused"))
    times = desk.run(f"fetch('/api/clips/{desk.clip}/frames').then((r) => r.json()).then((e) => e.frame_times)")
    number = desk.run("Number(document.getElementById('clock').textContent.match(/frame (\\d+)/)[1]) - 1")
    for key, by in [("forward", 1)] * 5 + [("back", -1)] * 3:
        number = (number + by) % len(times)
        assert desk.run(FRAME.replace("KEY", key)) == pytest.approx(times[number], abs=0.002)
    desk.press("]", "]", "[")
    assert desk.run("document.querySelector('video.on').playbackRate") == 2
    box = desk.page.locator("#seekbar").bounding_box()
    desk.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    duration = desk.run("document.querySelector('video.on').duration")
    assert desk.run("document.querySelector('video.on').currentTime") == pytest.approx(duration / 2, rel=0.05)


def somebody(clips: list[str], share: float) -> str:
    """The name of a reviewer to whom some of any six of these eight clips are shown, and some are not."""
    names = (f"anna{number}" for number in range(1000))
    return next(name for name in names if 3 <= sum(shown_from_start(clip, name, share) for clip in clips) <= 5)


def test_many_clips_by_keyboard_alone(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=0.5, repeats=0))
    clips = served.manifests.read(LABELS, generator="alpha")["clip_id"].to_pylist()
    desk = sit(served, somebody(clips, 0.5), "/review?generator=alpha").ready()
    wanted: dict[str, str] = {}
    blind: set[str] = set()
    while len(wanted) < CLIPS:
        clip = desk.opened().clip
        blind.update({clip} if desk.phase == "blind" else ())
        said = list(KEYS)[len(wanted) % 4]
        assert desk.page.locator("#suggestion").is_visible() is (clip not in blind)
        desk.press("Enter")  # nothing is chosen yet
        assert (desk.clip, desk.phase) == (clip, "blind" if clip in blind else "shown")
        if len(wanted) == 4:
            desk.give("r", "3")
            wanted[clip] = "broken"
        elif len(wanted) % 3:
            desk.give("2", KEYS[said])  # the last key before Enter counts
            wanted[clip] = said
        else:
            said = said if clip not in blind else ("motion" if said != "motion" else "spatial")
            desk.give(KEYS[list(KEYS)[len(wanted) % 4]], change=[KEYS[said]])
            wanted[clip] = said
    desk.saved()
    assert blind
    assert len(blind) < CLIPS
    assert answers(served) == {clip: "no anomaly" if said == "none" else said for clip, said in wanted.items()}
    rows = served.manifests.read(REVIEWS).to_pylist()
    labels = {row["clip_id"]: row["auto_label"] for row in served.manifests.read(LABELS).to_pylist()}
    assert Counter(row["clip_id"] for row in rows) == {clip: 2 if clip in blind else 1 for clip in wanted}
    assert {row["clip_id"] for row in rows if row["blind"] and not row["final"]} == blind
    for row in rows:
        kind = "reject" if row["label"] is None else "confirm" if row["label"] == labels[row["clip_id"]] else "relabel"
        assert row["decision"] == kind


def test_undo_goes_back_as_far_as_one_likes(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=0.0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    seen = [desk.give("1") for _ in range(3)]
    desk.opened().press("2", "z")  # what is only chosen is taken back first
    assert desk.phase == "blind"
    assert desk.page.locator("[aria-pressed=true].answer").count() == 0
    desk.press("2", "Enter")  # a first answer
    desk.in_phase("revealed")
    desk.press("z")
    assert desk.phase == "shown"
    desk.opened().press("z")
    desk.at(seen[2])
    desk.press("z")
    desk.at(seen[1])
    assert desk.phase == "shown"
    desk.give("3")
    assert desk.clip == seen[2]
    desk.saved()
    assert answers(served) == {seen[0]: "spatial", seen[1]: "motion"}


def test_an_answer_offline_is_sent_later_once(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    desk.page.wait_for_load_state("networkidle")
    desk.context.set_offline(True)
    first, second = desk.give("1"), desk.give("2")
    until(lambda: "2 not sent" in desk.run(SAVED))
    desk.context.set_offline(False)
    desk.saved()
    desk.press("n")
    desk.page.keyboard.type("the left hand")
    desk.press("Enter")
    third = desk.give("3")
    desk.saved()
    # The server goes away and comes back; the page is closed with an answer still in it.
    desk.opened()
    served.end()
    fourth = desk.give("1")
    until(lambda: "1 not sent" in desk.run(SAVED))
    desk.page.close()
    served.begin()
    desk.page = desk.context.new_page()
    desk.page.goto(f"{served.url}/")
    desk.sent()
    assert answers(served) == {first: "spatial", second: "appearance", third: "motion", fourth: "spatial"}
    rows = served.manifests.read(REVIEWS).to_pylist()
    assert [row["note"] for row in rows] == [None, None, "the left hand", None]


def test_a_blind_answer_offline_waits_for_the_server_to_show_the_label(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=0.0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    clip = desk.clip
    desk.context.set_offline(True)
    desk.press("1", "Enter", "Enter", "3", "Enter")
    desk.says("#confirm", "Waiting for the server")
    assert (desk.phase, desk.clip) == ("saving", clip)
    assert not desk.page.locator("#suggestion").is_visible()
    desk.context.set_offline(False)
    desk.in_phase("revealed")
    assert desk.page.locator("#suggestion").is_visible()
    desk.opened().press("Enter")
    desk.past(clip)
    desk.saved()
    assert answers(served) == {clip: "spatial"}


@pytest.mark.parametrize("status", [500, 503])
def test_an_answer_that_cannot_be_kept_is_sent_again(sample: Manifests, serve: Any, sit: Any, status: int) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    failures = [status] * 3

    def fail(route: Any) -> None:
        route.fulfill(status=failures.pop(), json={"error": "no"}) if failures else route.continue_()

    desk.context.route("**/api/decisions", fail)
    clip = desk.give("2")
    until(lambda: "1 not sent" in desk.run(SAVED))
    desk.saved()
    assert not failures
    assert answers(served) == {clip: "appearance"}


def test_two_reviewers_and_a_second_tab(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    anna, ben = (sit(served, name, "/review?generator=alpha").ready() for name in ("anna", "ben"))
    hands = [set(desk.run("[...document.querySelectorAll('video')].map((v) => v.src)")) for desk in (anna, ben)]
    assert len(hands[0] | hands[1]) == 8
    first, tab = anna.page, anna.context.new_page()
    tab.goto(f"{served.url}/review?generator=alpha")
    anna.page = tab
    clip = anna.ready().give("1")
    anna.page = first
    anna.past(clip)  # the other tab moves on by itself
    first.reload()
    anna.ready()
    first.go_back()
    first.go_forward()
    anna.ready()
    assert anna.clip != clip


def test_adjudication(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0, calibration=2))
    for name, key in (("anna", "1"), ("ben", "3")):
        desk = sit(served, name, "/review?queue=calibration").ready()
        clip = desk.give(key)
        desk.saved()
    judge = sit(served, "zoe", "/adjudicate").ready()
    assert judge.clip == clip
    assert all(word in judge.text("#opinions") for word in ("anna", "Spatial", "ben", "Motion", "label shown"))
    judge.press("Enter")  # nothing is chosen yet
    judge.press("2")
    assert judge.clip == clip
    assert "Settle: Appearance" in judge.text("#confirm")
    judge.press("Enter")
    judge.saved()
    judge.says("#message", "No open cases")
    assert not judge.page.locator("#suggestion").is_visible()
    assert judge.page.locator("#lanes path").count() == 0
    judge.press("z")
    judge.at(clip)
    judge.opened().press("r", "2", "Enter")
    judge.says("#message", "No open cases")
    judge.saved()
    served.end()
    last = served.manifests.read(REVIEWS).to_pylist()[-1]
    assert (last["reviewer"], last["role"], last["clip_id"]) == ("zoe", "adjudicator", clip)
    assert (last["decision"], last["reason"]) == ("reject", "watermark")


def test_another_user_signs_in_in_another_tab(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    anna = sit(served, "anna", "/review?generator=alpha").ready()
    anna.run("localStorage.setItem('hfv.guide.anna.k', 'seen')")
    clips = [anna.give("1")]
    anna.saved()
    anna.ready().press("n")
    anna.page.fill("#note-text", "of anna")
    anna.press("Escape")
    assert anna.context.request.post(f"{served.url}/api/session", data={"name": "anna.k"}).ok
    clips.append(anna.give("2"))
    anna.says("#waiting", "Answers of anna wait in this browser: they are sent when their reviewer signs in.")
    anna.enter("anna.k")  # whose answers do not include those of anna that wait to be sent
    anna.visit("/review?generator=alpha").ready()
    anna.press("z")
    anna.says("#toast", "Nothing to undo")
    anna.give("3")
    anna.saved()
    assert anna.context.request.delete(f"{served.url}/api/session").ok
    anna.page.goto(f"{served.url}/enter")
    anna.enter("anna")
    anna.sent()
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    assert [row["clip_id"] for row in rows if row["reviewer"] == "anna"] == clips
    assert [row["note"] for row in rows] == [None, None, "of anna"]


def test_answers_of_a_user_whose_name_begins_like_another(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    anna = sit(served, "anna", "/review?generator=alpha").ready()
    key = f"hfv.out.anna.k.{1:018}.{'a' * 16}"
    entry = '{"path": "/api/undo", "body": {"decision_id": "aaaaaaaaaaaaaaaa", "undoes": ["bbbbbbbbbbbbbbbb"]}}'
    anna.run(f"localStorage.setItem({key!r}, {entry!r})")
    anna.give("1")
    anna.saved()
    assert anna.run(f"localStorage.getItem({key!r})") == entry


ORDER = """async () => {
  const { Outbox } = await import("/static/outbox.js");
  const real = Date.now, sent = [];
  window.fetch = () => Promise.reject(new Error("offline"));
  for (const [id, hours] of [["answer", 0], ["undo", 1]]) {
    Date.now = () => real() - hours * 3600000;
    new Outbox("zoe").put("/api/undo", { decision_id: id });
  }
  return new Outbox("zoe").keys().map((key) => key.split(".").at(-1));
}"""
FULL = """() => {
  const set = Storage.prototype.setItem;
  Storage.prototype.setItem = function (key, value) {
    if (this === localStorage) throw new Error("full");
    set.call(this, key, value);
  };
}"""


def test_what_waits_is_sent_in_order_and_not_lost_without_storage(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    anna = sit(served, "anna", "/review?generator=alpha").ready()
    assert anna.run(ORDER) == ["answer", "undo"]
    anna.run(FULL)
    anna.give("1")
    # Chromium sometimes crashes while its own question is open.
    assert not anna.run("dispatchEvent(new Event('beforeunload', { cancelable: true }))")
