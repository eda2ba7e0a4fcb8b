"""Every page and dialog: whether it can be read, named, and worked by keyboard."""

import json
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.storage.manifest import Manifests
from pipelines.review import add_user
from review_ui.settings import Settings
from review_ui.users import UsersFile
from tests.review_ui.browser import Desk, calibrated

CHECKS = (Path(__file__).parent / "checks.js").read_text()
AXE = """() => axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.map(
  (one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`))"""


def accessible(desk: Desk, at: str) -> None:
    """Hold the page against the rules of axe-core, in both themes."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    desk.run(Path(axe.AXE_FILE_PATH).read_text(encoding="utf-8") if not desk.run("!!window.axe") else "null")
    for _ in range(2):
        assert desk.run(AXE) == [], f"{at}, {desk.run('document.documentElement.dataset.theme')}"
        desk.run("document.getElementById('theme').click()")


def test_every_page_can_be_read_and_named(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=0.0, calibration=2))
    desk = sit(served, "anna", color_scheme="dark").ready()
    assert desk.run("document.documentElement.dataset.theme") == "dark"
    look(desk, "blind")
    desk.press("1")
    look(desk, "chosen")
    desk.press("Enter")
    desk.in_phase("revealed")
    look(desk, "revealed")
    desk.opened().press("2")
    look(desk, "changed")
    desk.press("Enter", "?")
    desk.page.wait_for_selector("dialog.help")
    look(desk, "keys")
    desk.press("Escape")
    desk.opened().press("r")
    desk.page.wait_for_selector("#reasons[open]")
    look(desk, "reasons")
    desk.press("Escape", "n")
    desk.page.wait_for_selector("#note[open]")
    look(desk, "note")
    desk.press("Escape")
    for path in (
        "/",
        "/answers",
        "/browse",
        "/dashboard",
        "/api-guide",
        "/adjudicate",
        "/nothing",
        "/enter",
        "/review?queue=failed",
    ):
        desk.visit(path)
        look(desk, path)
        for tab in ("#tab-quality", "#tab-people") if path == "/dashboard" else ():
            desk.page.click(tab)
            desk.page.locator(f"{tab}[aria-selected=true]").wait_for()
            look(desk, tab)


@pytest.mark.parametrize("size", [(1366, 768), (390, 844)])
def test_tabs_stay_below_the_pointer_when_the_figures_arrive(
    sample: Manifests, serve: Any, sit: Any, size: tuple[int, int]
) -> None:
    desk = sit(serve(sample), "anna", "/nothing", viewport=dict(zip(("width", "height"), size, strict=True)))
    held: list[Any] = []
    desk.page.route("**/api/statistics", lambda route: held.append(route))
    with desk.page.expect_request("**/api/statistics"):
        desk.page.goto(f"{desk.url}/dashboard")
    top = "document.getElementById('tab-quality').getBoundingClientRect().top"
    before = desk.run(top)
    held[0].continue_()
    desk.until("document.querySelector('#progress table')")
    assert desk.run(top) == before > 0


def wrong(desk: Desk) -> list[str]:
    """What is wrong with the page, which follows its size and content some frames later."""
    for _ in range(50):
        if not (found := desk.run(CHECKS)):
            break
        desk.page.wait_for_timeout(100)
    return list(found)


def look(desk: Desk, at: str) -> None:
    """Hold the page against what can be checked of any, in both themes, on a laptop and on a large screen."""
    for width, height, theme in ((1920, 1080, "light"), (1366, 768, "dark")):
        desk.page.set_viewport_size({"width": width, "height": height})
        desk.until("innerWidth === it[0] && innerHeight === it[1]", [width, height])
        desk.run(f"document.documentElement.dataset.theme = '{theme}'")
        assert wrong(desk) == [], f"{at} at {width}×{height}, {theme}"
    accessible(desk, at)


def test_a_case_can_be_read_and_named(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0, calibration=1))
    calibrated(served, anna="spatial", ben="motion")
    judge = sit(served, "zoe", "/adjudicate").ready()
    judge.press("2")
    look(judge, "a case")


def test_keys_can_be_changed_and_the_focus_is_seen(sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(sample, settings=Settings(shown=0.0)), "anna").ready()
    desk.press("?")
    desk.page.locator("dialog.help button", has_text="Spatial").click()
    desk.press("q", "Escape")
    desk.page.wait_for_selector("dialog.help", state="hidden")
    assert desk.text("[data-answer=spatial] kbd") == "Q"
    chosen = desk.page.locator(".answer[aria-pressed=true]")
    desk.press("1")
    assert chosen.count() == 0
    desk.press("q")
    assert chosen.get_attribute("data-answer") == "spatial"
    for _ in range(4):
        desk.press("Tab")
    assert desk.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_answers_by_mouse_and_by_tab(sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(sample, settings=Settings(shown=1.0)), "anna", "/review?generator=alpha").ready()
    clip = desk.clip
    desk.page.click("[data-answer=motion]")
    assert desk.text("#confirm").endswith("Keep Motion")
    desk.press("Enter")  # a click does not keep the key to itself
    desk.past(clip)
    clip = desk.opened().clip
    desk.page.click("[data-answer=appearance]")
    desk.page.click("#confirm")
    desk.past(clip)
    clip = desk.opened().clip
    desk.press("2")
    desk.counts("#lanes button", 3)
    desk.page.locator("#lanes button").first.click()  # to the worst moment: no button keeps the next Enter
    desk.press("Enter")
    desk.past(clip)
    clip = desk.opened().clip
    desk.run("document.querySelector('[data-answer=spatial]').focus()")
    desk.press("Shift+Tab", "Tab", "Enter")
    assert desk.text("#confirm").endswith("Keep Spatial")
    assert desk.clip == clip
    desk.run("document.querySelector('#confirm').focus()")
    desk.press("Enter")
    desk.past(clip)
    desk.opened().press("Enter")  # the focus is still there; nothing is chosen
    assert desk.clip not in (clip, "")


AT_ONCE = """() => {
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  for (const key of ["r", "3"]) press(key);
  return Promise.resolve().then(() => { press("Enter"); return document.body.dataset.phase; });
}"""


def test_no_key_is_lost_between_a_dialog_and_the_page(sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(sample, settings=Settings(shown=0.0)), "anna").ready()
    desk.press("]")  # the last thing touched was the keyboard
    # All before the next frame is painted, while the dialog still has the focus.
    assert desk.run(AT_ONCE) == "saving"
    desk.in_phase("revealed")
    assert "Reject: broken" in desk.text("#confirm")


def test_what_is_for_adjudicators_is_not_offered_to_reviewers(
    sample: Manifests, serve: Any, sit: Any, tmp_path: Path
) -> None:
    file = tmp_path / "users.toml"
    anna, zoe = (
        add_user(*who, role=role) for who, role in ((("anna", file), "reviewer"), (("zoe", file), "adjudicator"))
    )
    served = serve(sample, users=UsersFile(file))
    links = "[...document.querySelectorAll('a')].map((a) => a.textContent)"
    desk = sit(served, "anna", "/", token=anna.summary["token"])
    desk.settled()
    assert not {"CSV", "Parquet", "Adjudicate"} & set(desk.run(links))
    for name in ("csv", "parquet"):
        assert desk.run(f"fetch('/api/reviews.{name}').then((r) => r.status)") == 403
    # What anna has decided as an adjudicator, before she was a reviewer, holds up nothing that waits behind it.
    for number, path in enumerate(("/api/adjudications", "/api/undo")):
        key, body = f"hfv.out.anna.{number:018}.{'a' * 16}", {"decision_id": "a" * 16}
        desk.run(f"localStorage.setItem({key!r}, {json.dumps(json.dumps({'path': path, 'body': body}))})")
    desk.visit("/")
    desk.sent()
    judge = sit(served, "zoe", "/", token=zoe.summary["token"])
    judge.settled()
    assert {"CSV", "Parquet", "Adjudicate"} <= set(judge.run(links))
