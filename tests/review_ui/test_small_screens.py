"""Reviewing by touch on a phone and on a tablet."""

from typing import Any

import pytest

from hfv_builder.storage.manifest import Manifests
from review_ui.settings import Settings
from tests.review_ui.browser import Desk
from tests.review_ui.test_pages import wrong
from tests.review_ui.touch import PHONE, TABLET, kept, session, tap, touching

SIDEWAYS, SMALLEST = (667, 375), (360, 640)
ORDER = (
    """() => ["video.on", ".answer", "#film"].map((name) => document.querySelector(name).getBoundingClientRect().top)"""
)
CLIPS = 9
"""Clips of a session here; `python -m benchmarks.review touch` answers 50."""


def look(desk: Desk, at: str) -> None:
    assert wrong(desk) == [], at


@pytest.mark.parametrize("size", [PHONE, TABLET])
def test_clips_are_answered_by_touch_and_none_is_lost(many: Manifests, serve: Any, sit: Any, size: Any) -> None:
    served = serve(many, settings=Settings(shown=0.5, repeats=0))
    desk = touching(sit, served, "anna", size)
    tap(desk, "a.queue")
    desk.page.wait_for_url("**/review?*")
    wanted = list(session(desk, "anna", CLIPS))
    assert kept(served) == wanted
    assert len({clip for _, clip, *_ in wanted}) == CLIPS


@pytest.mark.parametrize(
    ("size", "theme"), [(SMALLEST, "light"), (PHONE, "dark"), (TABLET, "light"), (SIDEWAYS, "dark")]
)
def test_nothing_covers_a_control_on_a_small_screen(
    sample: Manifests, serve: Any, sit: Any, size: Any, theme: str
) -> None:
    served = serve(sample, settings=Settings(shown=0.0, calibration=1))
    desk = touching(sit, served, "anna", size, color_scheme=theme)
    desk.settled()
    look(desk, "/")
    desk.page.goto(f"{served.url}/review?queue=calibration")
    desk.ready()
    look(desk, "blind")
    if size != SIDEWAYS:
        assert desk.run(ORDER) == sorted(desk.run(ORDER))  # the clip, its answers, its traces
    tap(desk, "[data-answer=spatial]")
    tap(desk, "#confirm")
    desk.in_phase("revealed")
    look(desk, "revealed")
    for opener, dialog in (("[data-answer=reject]", "#reasons"), ("[data-do=note]", "#note")):
        desk.opened()
        tap(desk, opener)
        desk.page.wait_for_selector(f"{dialog}[open]")
        look(desk, dialog)
        tap(desk, f"{dialog} .row button")
        desk.page.wait_for_selector(f"{dialog}[open]", state="detached")
    for control in ("[data-answer=unsure]", "#confirm"):  # which makes a case
        tap(desk, control)
    desk.saved()
    for path in ("/dashboard", "/api-guide", "/adjudicate", "/answers", "/browse", "/nothing"):
        desk.visit(path)
        if path == "/adjudicate":
            desk.ready()
            assert desk.run("document.querySelector('.opinion .by').offsetWidth") > 20  # `anna` can be read
        look(desk, path)
        for tab in ("#tab-quality", "#tab-people") if path == "/dashboard" else ():
            tap(desk, tab)
            look(desk, tab)
