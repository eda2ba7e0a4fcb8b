"""The pages in a real browser, by keyboard, on real clips where they are there."""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.manifest import Manifests
from hfv_builder.schema import LABELS, REVIEWS
from review_ui.settings import Settings
from tests.review_ui.browser import Desk, Served, until
from tests.review_ui.sample import SHARED, make_sample, write_manifests

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium")
CLIPS = int(os.environ.get("HFV_REVIEW_CLIPS", "12"))
"""What the scripted reviewer answers; 50 when somebody has the time."""
CHECKS = (Path(__file__).parent / "checks.js").read_text()
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def real_sample(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Generated clips of different makers, sizes and speeds."""
    if not SHARED.is_dir():
        pytest.skip(f"no real clips: {SHARED} is not there")
    root = tmp_path_factory.mktemp("real")
    manifests = Manifests(root / "manifests")
    names = ["wan21", "videophy2", *(["anyv2v", "hunyuanvideo", "cogvideo"] if CLIPS > 30 else [])]
    write_manifests(manifests, {name: sorted((SHARED / name).glob("*.mp4")) for name in names})
    return manifests


@pytest.fixture(scope="module")
def made_sample(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return make_sample(tmp_path_factory.mktemp("made"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    with contextlib.ExitStack() as stack:

        def begin(sample: Manifests, **settings: Any) -> Served:
            shutil.copytree(sample.local_root, tmp_path / "manifests")
            served = Served(Manifests(tmp_path / "manifests"), **settings)
            stack.callback(served.end)
            return served

        yield begin


@pytest.fixture
def sit(chromium: Any) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def begin(served: Served, name: str, path: str = "/review", **options: Any) -> Desk:
        desks.append(Desk(chromium, served, name, path, **options))
        return desks[-1]

    yield begin
    for desk in desks:
        desk.close()


FRAME = """() => new Promise((done) => {
  const video = document.querySelector("video.on");
  video.requestVideoFrameCallback((now, about) => done(about.mediaTime));
  document.querySelector("[data-do=KEY]").click();
})"""


def test_the_clip_plays_and_frames_step_exactly(real_sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(real_sample), "anna").ready()
    at = desk.run("document.querySelector('video.on').currentTime")
    until(lambda: desk.run("document.querySelector('video.on').currentTime") > at + 0.2)
    assert desk.run("document.querySelector('video.on').muted && document.querySelector('video.on').loop")
    assert len(desk.run("[...document.querySelectorAll('video')].map((v) => v.src)")) == 4
    desk.press(" ")
    until(lambda: desk.run("document.querySelector('video.on').paused"))
    times = desk.run(f"fetch('/api/clips/{desk.clip}/evidence').then((r) => r.json()).then((e) => e.frame_times)")
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


def test_many_clips_by_keyboard_alone(real_sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(real_sample)
    desk = sit(served, "anna").ready()
    keys = {"spatial": "1", "appearance": "2", "motion": "3", "real": "4"}
    wanted: dict[str, tuple[str, int | None]] = {}
    labels = {row["clip_id"]: row["auto_label"] for row in served.manifests.read(LABELS).to_pylist()}
    while len(wanted) < CLIPS:
        clip = until(lambda: (now := desk.clip) not in wanted and now)
        answer = list(keys)[len(wanted) % 4]
        if len(wanted) % 10 == 5:
            desk.press("r", "3")
            wanted[clip] = ("reject", None)
            if desk.phase == "revealed":
                desk.press("Enter")
        elif desk.phase == "blind":
            assert not desk.page.locator("#suggestion").is_visible()
            desk.press("Enter")  # there is nothing to confirm yet
            assert desk.phase == "blind"
            desk.press(keys[answer])
            until(lambda: desk.phase == "revealed")
            assert desk.page.locator("#suggestion").is_visible()
            if len(wanted) % 3:
                desk.press("Enter")
            else:  # changing costs as much as keeping
                answer = "motion" if answer != "motion" else "spatial"
                desk.press(keys[answer])
            wanted[clip] = ("label", list(keys).index(answer))
        else:
            assert desk.page.locator("#suggestion").is_visible()
            desk.press("Enter")
            wanted[clip] = ("label", labels[clip])
    desk.saved()
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    assert len({row["decision_id"] for row in rows}) == len(rows)
    last = {row["clip_id"]: row for row in rows}
    got = {clip: ("label" if row["label"] is not None else row["decision"], row["label"]) for clip, row in last.items()}
    assert got == wanted
    assert max(Counter(row["clip_id"] for row in rows).values()) == 2
    first = {row["clip_id"]: row for row in reversed(rows)}
    blind = [clip for clip in wanted if first[clip]["blind"]]
    assert all(sum(row["clip_id"] == clip for row in rows) == (2 if clip in blind else 1) for clip in wanted)
    assert len(blind) > CLIPS / 2
    for row in last.values():
        kind = "reject" if row["label"] is None else "confirm" if row["label"] == labels[row["clip_id"]] else "relabel"
        assert row["decision"] == kind
    served.begin()


def test_undo_goes_back_as_far_as_one_likes(made_sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(made_sample, settings=Settings(shown=0.0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    seen = []
    for _ in range(3):
        seen.append(desk.clip)
        desk.press("1", "Enter")
        until(lambda: desk.clip not in seen)
    desk.press("2", "z")  # a first answer
    assert desk.phase == "shown"
    desk.press("z")
    until(lambda: desk.clip == seen[2])
    desk.press("z")
    until(lambda: desk.clip == seen[1])
    assert desk.phase == "shown"
    desk.press("3")
    until(lambda: desk.clip == seen[2])
    desk.saved()
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    standing = {row["clip_id"]: row["label"] for row in rows if row["undone_by"] is None}
    assert standing == {seen[0]: 0, seen[1]: 2}
    served.begin()


def test_an_answer_offline_is_sent_later_once(made_sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(made_sample, settings=Settings(shown=1.0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    first = desk.clip
    desk.context.set_offline(True)
    desk.press("1")
    until(lambda: desk.clip != first)
    second = desk.clip
    desk.press("2")
    until(lambda: "2 kept here" in desk.run("document.getElementById('saved').textContent"))
    desk.context.set_offline(False)
    desk.saved()
    desk.press("n")
    desk.page.keyboard.type("the left hand")
    desk.press("Enter", "3")
    desk.saved()
    # The server goes away and comes back; the page is closed with an answer still in it.
    served.end()
    third = until(lambda: desk.clip)
    desk.press("4")
    until(lambda: "1 kept here" in desk.run("document.getElementById('saved').textContent"))
    desk.page.close()
    served.begin()
    desk.page = desk.context.new_page()
    desk.page.goto(f"{served.url}/")
    until(lambda: desk.run("Object.keys(localStorage).filter((k) => k.startsWith('hfv.out.')).length") == 0)
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    assert [row["label"] for row in rows] == [0, 1, 2, 3]
    assert [row["clip_id"] for row in rows][:2] == [first, second]
    assert rows[2]["reason"] == "the left hand"
    assert rows[3]["clip_id"] == third
    served.begin()


def test_two_reviewers_and_a_second_tab(made_sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(made_sample, settings=Settings(shown=1.0))
    anna, ben = (sit(served, name, "/review?generator=alpha").ready() for name in ("anna", "ben"))
    hands = [set(desk.run("[...document.querySelectorAll('video')].map((v) => v.src)")) for desk in (anna, ben)]
    assert len(hands[0] | hands[1]) == 8
    first, tab = anna.page, anna.context.new_page()
    tab.goto(f"{served.url}/review?generator=alpha")
    anna.page = tab
    anna.ready()
    clip = anna.clip
    anna.press("1")
    until(lambda: anna.clip != clip)
    anna.page = first
    until(lambda: anna.clip != clip)  # the other tab moves on by itself
    first.reload()
    anna.ready()
    first.go_back()
    first.go_forward()
    anna.ready()
    assert anna.clip != clip


def test_what_cannot_be_played_says_why(made_sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(made_sample), "anna", "/review?queue=failed")
    message = desk.page.locator("#message")
    until(lambda: "FFmpeg cannot read it" in message.inner_text())
    desk.press("r", "4")
    until(lambda: "This queue is done" in message.inner_text())
    desk.saved()


def test_adjudication(made_sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(made_sample, settings=Settings(shown=1.0, calibration=1))
    for name, key in (("anna", "1"), ("ben", "3")):
        desk = sit(served, name, "/review?queue=calibration").ready()
        clip = desk.clip
        desk.press(key)
        desk.saved()
    judge = sit(served, "zoe", "/adjudicate").ready()
    assert judge.clip == clip
    text = judge.page.locator("#opinions").inner_text()
    assert all(word in text for word in ("anna", "Spatial", "ben", "Motion", "label seen"))
    look(judge, "a case")
    judge.press("2")
    judge.saved()
    until(lambda: "No open cases" in judge.page.locator("#message").inner_text())
    served.end()
    last = served.manifests.read(REVIEWS).to_pylist()[-1]
    assert (last["reviewer"], last["clip_id"], last["label"]) == ("adjudicator:zoe", clip, 1)
    served.begin()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_page_can_be_read_and_named(made_sample: Manifests, serve: Any, sit: Any, theme: str) -> None:
    served = serve(made_sample, settings=Settings(shown=0.0, calibration=2))
    desk = sit(served, "anna", color_scheme=theme).ready()
    assert desk.run("document.documentElement.dataset.theme") == theme
    look(desk, "blind")
    desk.press("1")
    until(lambda: desk.phase == "revealed")
    look(desk, "revealed")
    desk.press("Enter", "?")
    desk.page.wait_for_selector("dialog.help")
    look(desk, "keys")
    desk.press("Escape", "r")
    desk.page.wait_for_selector("#reasons[open]")
    look(desk, "reasons")
    desk.press("Escape")
    for path in ("/", "/dashboard", "/api-guide", "/adjudicate"):
        desk.page.goto(served.url + path)
        desk.page.wait_for_load_state("networkidle")
        look(desk, path)
    desk.page.goto(f"{served.url}/dashboard")
    for tab in ("#tab-quality", "#tab-people"):
        desk.page.click(tab)
        desk.page.wait_for_timeout(100)
        look(desk, tab)


def look(desk: Desk, at: str) -> None:
    """Hold the page against what can be checked of any, on a laptop and on a large screen."""
    for width, height in ((1920, 1080), (1366, 768)):
        desk.page.set_viewport_size({"width": width, "height": height})
        assert desk.run(CHECKS) == [], f"{at} at {width}×{height}"


def test_keys_can_be_changed_and_the_focus_is_seen(made_sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(made_sample, settings=Settings(shown=0.0)), "anna").ready()
    desk.press("?")
    desk.page.locator("dialog.help button", has_text="Spatial").click()
    desk.press("q", "Escape")
    until(lambda: not desk.page.locator("dialog.help").is_visible())
    assert desk.page.locator("[data-answer=spatial] kbd").inner_text() == "Q"
    desk.press("1")
    assert desk.phase == "blind"
    desk.press("q")
    until(lambda: desk.phase == "revealed")
    for _ in range(4):
        desk.press("Tab")
    assert desk.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


AT_ONCE = """() => {
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  for (const key of ["r", "3"]) press(key);
  return Promise.resolve().then(() => { press("Enter"); return document.body.dataset.phase; });
}"""


def test_no_key_is_lost_between_a_dialog_and_the_page(made_sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(made_sample, settings=Settings(shown=0.0)), "anna").ready()
    desk.press("]")  # the last thing touched was the keyboard
    clip = desk.clip
    # All before the next frame is painted, while the dialog's button still has the focus.
    assert desk.run(AT_ONCE) == "blind"
    assert desk.clip != clip
