"""The guide: what becomes of its Markdown, a project's own, and when it is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from review_ui.guide import MOST_BYTES, OURS, render_guide
from review_ui.settings import Settings
from tests.review_ui.conftest import Person
from tests.review_ui.test_pages import wrong
from tests.review_ui.touch import PHONE, tap, touching

TOP = "document.querySelector('.handbook-text').scrollTop"
PLAYING = "[...document.querySelectorAll('.handbook video')].filter((video) => video.currentTime > 0).length"


def test_ours_explains_every_answer() -> None:
    html = render_guide((OURS / "guide.md").read_text("utf-8"))
    for name in ("spatial", "appearance", "motion"):
        assert f'<section class="{name}"><h2>{name.capitalize()}</h2>' in html
        assert html.count(f'<video src="/guide/{name}-') == 2
    for text in ("When two apply", "No anomaly", "Reject", "Unsure", "Strong", "Weak"):
        assert text in html


@pytest.mark.parametrize(
    ("markdown", "wanted", "never"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;", "<script"),
        ("a <img src=x onerror=alert(1)> b", "&lt;img src=x onerror=alert(1)&gt;", "<img"),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))", "<a"),
        ("[a](https://example.org)", 'href="https://example.org" target="_blank" rel="noopener noreferrer"', "<script"),
        ("![hand](https://example.org/x.png)", "<em>hand</em>", "<img"),
        ("![hand](guide/../../etc/x.png)", "<em>hand</em>", "<img"),
        ("![hand](guide/x.svg)", "<em>hand</em>", "<img"),
        ('![a"b](guide/x.png)', '<img src="/guide/x.png" alt="a&quot;b">', 'alt="a"b'),
        ("## Spatial <b>\n\ntext", '<section class="spatial"><h2>Spatial &lt;b&gt;</h2>', "<b>"),
        ("", "", "<"),
    ],
)
def test_text_of_others_is_safe(markdown: str, wanted: str, never: str) -> None:
    html = render_guide(markdown)
    assert wanted in html
    assert never not in html


def test_a_project_replaces_it_while_the_server_runs(
    start: Callable[..., TestClient], manifests: Manifests, caplog: pytest.LogCaptureFixture
) -> None:
    client = start(settings=Settings(shown=1.0))
    anna = Person(client, "anna")
    assert client.get("/api/guide").status_code == 401
    assert client.get("/guide/motion-1.mp4").status_code == 401
    ours = anna.get("/api/guide")
    assert ours["first"] is True
    assert anna.send("GET", "/guide/motion-1.mp4").content == (OURS / "motion-1.mp4").read_bytes()
    for path, status in (("/guide/none.mp4", 404), ("/guide/guide.md", 422), ("/guide/..%2Fguide.md", 404)):
        assert anna.send("GET", path).status_code == status
    root = Path(str(manifests.root))
    (root / "guide").mkdir()
    (root / "guide" / "motion-1.mp4").write_bytes(b"their own")
    (root / "guide.md").write_text("# Ours\n\n![hand](guide/motion-1.mp4)", "utf-8")
    assert "<h1>Ours</h1>" in anna.get("/api/guide")["html"]
    assert anna.send("GET", "/guide/motion-1.mp4").content == b"their own"
    (root / "guide.md").write_bytes(b"\xff\xfe")
    assert anna.get("/api/guide") == ours
    assert "cannot be read" in caplog.text
    with pytest.raises(UsageError, match=r"guide\.md cannot be read"):
        start()
    (root / "guide.md").write_text("a" * (MOST_BYTES + 1))
    with pytest.raises(UsageError, match="a guide has at most 200,000"):
        start()
    (root / "guide.md").unlink()
    anna.decide(anna.hand()[0]["clip_id"], "spatial")
    assert anna.get("/api/guide")["first"] is False


LAYOUTS = """async () => {
  const { actionOf } = await import("/static/keys.js");
  const pressed = [
    ["&", "Digit1"], ["к", "KeyR"], ["K", "KeyR"], ["!", "Digit1", true], ["1", "Digit1", true], ["Process", "Digit4"],
  ];
  return pressed.map(([key, code, shiftKey]) => actionOf(new KeyboardEvent("keydown", { key, code, shiftKey })));
}"""


def test_it_comes_once_before_the_first_clip_and_with_a_key(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    desk = sit(served, "anna", "/review?generator=alpha", guided=False)
    desk.page.wait_for_selector(".handbook[open]")
    desk.until(f"{PLAYING} === 6")
    assert wrong(desk) == []
    assert desk.clip == ""  # nothing is dealt yet
    desk.press("1", "Enter")
    desk.page.wait_for_selector(".handbook", state="detached")
    assert desk.ready().page.locator(".answer[aria-pressed=true]").count() == 0
    clip = desk.clip
    desk.page.reload()
    assert desk.ready().clip == clip
    assert desk.page.locator(".handbook").count() == 0
    # French, Russian and other keyboards, and an input method for Chinese
    assert desk.page.evaluate(LAYOUTS) == ["spatial", "reject", None, None, "spatial", "fourth"]
    desk.press("2", "g")
    desk.page.wait_for_selector(".handbook[open]")
    desk.press("3", "End")  # not an answer; the text scrolls
    desk.until(f"{TOP} > 0 || document.querySelector('.handbook-text').scrollHeight <= innerHeight")
    desk.press("g")
    desk.page.wait_for_selector(".handbook", state="detached")
    assert desk.page.locator(".answer[aria-pressed=true]").get_attribute("data-answer") == "appearance"
    phone = touching(sit, served, "ben", PHONE, guided=False, reduced_motion="reduce")
    tap(phone, "#guide")
    phone.page.wait_for_selector(".handbook[open]")
    assert wrong(phone) == []
    assert phone.run(PLAYING) == 0
    phone.run("document.querySelector('.handbook-text').scrollTo(0, 0)")
    tap(phone, ".handbook video")
    phone.until(f"{PLAYING} === 1")
    tap(phone, ".handbook .primary")
    phone.page.wait_for_selector(".handbook", state="detached")
