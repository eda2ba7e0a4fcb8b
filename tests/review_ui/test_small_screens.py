"""Reviewing by touch on a phone and on a tablet."""

from functools import partial
from typing import Any

import pytest

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import REVIEWS
from review_ui.settings import Settings
from tests.review_ui.browser import Desk, Served, until
from tests.review_ui.test_pages import CHECKS

PHONE, TABLET, SIDEWAYS = (390, 844), (820, 1180), (844, 390)
SMALLEST = (360, 640)
ORDER = (
    """() => ["video.on", ".answer", "#film"].map((name) => document.querySelector(name).getBoundingClientRect().top)"""
)


def touching(sit: Any, served: Served, name: str, size: tuple[int, int], **more: Any) -> Desk:
    """A reviewer with a screen of this size and no keyboard."""
    screen = {"width": size[0], "height": size[1]}
    desk: Desk = sit(served, name, "/", has_touch=True, is_mobile=True, screen=screen, viewport=screen, **more)
    return desk


def gone(desk: Desk, clip: str) -> bool:
    return desk.clip not in (clip, "")


def tap(desk: Desk, selector: str) -> None:
    desk.page.locator(selector).first.tap()


def look(desk: Desk, at: str) -> None:
    assert desk.run(CHECKS) == [], at


@pytest.mark.parametrize("size", [PHONE, TABLET])
def test_clips_are_answered_by_touch_and_none_is_lost(sample: Manifests, serve: Any, sit: Any, size: Any) -> None:
    served = serve(sample, settings=Settings(shown=0.5, repeats=0))
    desk = touching(sit, served, "anna", size)
    tap(desk, "a.queue")
    desk.page.wait_for_url("**/review?*")
    wanted = {}
    for answer in ("spatial", "motion", "none", "reject", "appearance"):
        clip, blind = desk.opened().clip, desk.phase == "blind"
        tap(desk, f"[data-answer={answer}]")
        if answer == "reject":
            tap(desk, "#reason-list button:nth-child(3)")
        box = desk.page.locator("#confirm").bounding_box()
        for _ in range(2):  # the second tap is not an answer to the next clip
            desk.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        if blind:
            until(lambda: desk.phase == "revealed")
            desk.opened()
            tap(desk, "#confirm")
        until(partial(gone, desk, clip))
        assert desk.page.locator(".answer[aria-pressed=true]").count() == 0
        wanted[clip] = {"reject": "broken", "none": "no anomaly"}.get(answer, answer)
    desk.saved()
    last = desk.opened().clip
    tap(desk, "[data-do=undo]")
    until(lambda: desk.clip != last)
    tap(desk, "[data-do=note]")
    desk.page.fill("#note-text", "the hand")
    tap(desk, "#note .primary")
    desk.opened()
    tap(desk, "[data-answer=motion]")
    tap(desk, "#confirm")
    wanted[list(wanted)[-1]] = "motion"
    until(lambda: desk.clip == last)
    desk.saved()
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    undone = {each for row in rows for each in row["undoes"] or ()}
    rows = [row for row in rows if row["final"] and row["decision_id"] not in undone]
    names = ("spatial", "appearance", "motion")
    assert {row["clip_id"]: row["reason"] or names[row["label"]] for row in rows} == wanted
    assert [row["note"] for row in rows if row["note"]] == ["the hand"]
    served.begin()


@pytest.mark.parametrize(
    ("size", "theme"), [(SMALLEST, "light"), (PHONE, "dark"), (TABLET, "light"), (SIDEWAYS, "dark")]
)
def test_nothing_covers_a_control_on_a_small_screen(
    sample: Manifests, serve: Any, sit: Any, size: Any, theme: str
) -> None:
    served = serve(sample, settings=Settings(shown=0.0, calibration=1))
    desk = touching(sit, served, "anna", size, color_scheme=theme)
    desk.page.wait_for_load_state("networkidle")
    look(desk, "/")
    desk.page.goto(f"{served.url}/review?queue=calibration")
    desk.ready()
    look(desk, "blind")
    if size != SIDEWAYS:
        assert desk.run(ORDER) == sorted(desk.run(ORDER))  # the clip, its answers, its traces
    tap(desk, "[data-answer=spatial]")
    tap(desk, "#confirm")
    until(lambda: desk.phase == "revealed")
    look(desk, "revealed")
    for opener, dialog in (("[data-answer=reject]", "#reasons"), ("[data-do=note]", "#note")):
        desk.opened()
        tap(desk, opener)
        desk.page.wait_for_selector(f"{dialog}[open]")
        look(desk, dialog)
        tap(desk, f"{dialog} .row button")
        desk.page.wait_for_selector(f"{dialog}[open]", state="detached")
    for path in ("/dashboard", "/api-guide", "/adjudicate", "/answers", "/browse", "/nothing"):
        desk.page.goto(served.url + path)
        desk.page.wait_for_load_state("networkidle")
        look(desk, path)
        for tab in ("#tab-quality", "#tab-people") if path == "/dashboard" else ():
            tap(desk, tab)
            look(desk, tab)
