"""No key answers a clip that has not been looked at, and the page never has what is not to be seen yet."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.records import Metric
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, REVIEWS
from pipelines.review import add_user
from review_ui.settings import QueueSettings, Settings
from review_ui.users import UsersFile
from tests.review_ui.browser import until

# As soon as another clip is on top, and again up to 0.3 s after its first frame: the keys of the clip before.
RACE = """(delay) => {
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const state = () => [document.querySelector("video.on")?.src, document.body.dataset.phase];
  const before = state()[0];
  return new Promise((done) => {
    const watch = () => {
      if (state()[0] === before || !state()[0]) { requestAnimationFrame(watch); return; }
      const began = performance.now(), [clip, phase] = state();
      for (const key of ["1", "Enter", "Enter"]) press(key);
      const again = () => {
        const late = performance.now() - began > 600;  // a busy machine: this would be an answer as it should be
        if (!late) for (const key of ["1", "Enter", "Enter"]) press(key);
        done({ late, same: JSON.stringify(state()) === JSON.stringify([clip, phase]),
          chosen: document.querySelectorAll(".answer[aria-pressed=true]").length });
      };
      setTimeout(again, delay);
    };
    watch();
    for (const key of ["2", "Enter"]) press(key);
  });
}"""
RACES = 20
# Enter once more before the server has answered, and again as soon as the automatic label is there.
REVEAL = """() => {
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const phase = () => document.body.dataset.phase;
  for (const key of ["1", "Enter", "Enter", "Enter", "Enter"]) press(key);
  const phases = [phase()];
  return new Promise((done) => {
    new MutationObserver((_, watch) => {
      if (phase() === "saving") return;
      watch.disconnect();
      phases.push(phase());
      for (const key of ["Enter", "3", "Enter"]) press(key);
      done([...phases, phase()]);
    }).observe(document.body, { attributeFilter: ["data-phase"] });
  });
}"""

# A key between the end of the dialog and its "close" event, which a busy browser sends late: the name of the answer.
CANCEL = """() => {
  const focused = document.activeElement;
  focused.closest("dialog").close();
  focused.dispatchEvent(new KeyboardEvent("keydown", { key: "4", bubbles: true }));
  return document.querySelector(".answer[aria-pressed=true] b")?.textContent;
}"""

# Esc and at once the key that opens the dialog: it stays open when the "close" event of before comes.
AGAIN = """() => {
  const dialog = document.querySelector("dialog[open]");
  const closed = new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  press("Escape");
  press("r");
  return closed.then(() => new Promise(requestAnimationFrame)).then(() => dialog.open);
}"""


@pytest.fixture
def pauses() -> None:
    """The pauses of the pages are as they are."""


def test_keys_meant_for_the_clip_before_never_decide_the_next(many: Manifests, serve: Any, sit: Any) -> None:
    served = serve(many, settings=Settings(shown=0.8, repeats=0))
    desk = sit(served, "anna").ready()
    raced = 0
    answered = []
    while raced < RACES:
        answered.append(desk.opened().clip)
        if desk.phase == "blind":
            assert desk.run(REVEAL) == ["saving", "revealed", "revealed"]
            desk.opened()
        found = desk.run(f"({RACE})({raced * 300 // RACES})")
        if found["late"]:
            continue
        raced += 1
        assert found["same"]
        assert found["chosen"] == 0
    desk.saved()
    served.end()
    rows = served.manifests.read(REVIEWS).to_pylist()
    assert [row["clip_id"] for row in rows if row["final"]] == answered
    assert {row["label"] for row in rows if row["final"]} == {1}


def test_a_key_that_is_held_down_answers_once(many: Manifests, serve: Any, sit: Any) -> None:
    served = serve(many, settings=Settings(shown=1.0))
    desk = sit(served, "anna").ready()
    clip = desk.clip
    for key in ("2", "Enter"):
        for _ in range(4):  # Playwright repeats what is still down
            desk.page.keyboard.down(key)
    desk.past(clip)
    following = desk.opened().clip
    for _ in range(4):
        desk.page.keyboard.down("Enter")
        desk.page.keyboard.down("2")
    assert desk.clip == following
    assert desk.page.locator(".answer[aria-pressed=true]").count() == 0
    desk.page.keyboard.up("Enter")
    desk.page.keyboard.up("2")
    desk.give("r", "1")


def test_nothing_is_answered_before_the_clip_can_be_seen(many: Manifests, serve: Any, sit: Any) -> None:
    served = serve(many, settings=Settings(shown=1.0))
    waiting: list[Any] | None = []
    desk = sit(served, "anna", "/")

    def hold(route: Any) -> None:
        waiting.append(route) if waiting is not None else route.continue_()

    desk.context.route("**/media/*.mp4", hold)
    desk.page.goto(f"{served.url}/review")
    until(lambda: desk.run("1") and waiting)
    until(lambda: desk.page.locator("#waiting").is_visible() and "s so far" in desk.text("#waiting"))
    desk.press("1", "Enter", "r", "2")
    assert not desk.page.locator("#reasons").is_visible()
    assert desk.page.locator(".answer[aria-pressed=true]").count() == 0
    assert "Loading" in desk.text("#confirm")
    held, waiting = waiting, None
    for route in held or ():
        route.continue_()
    desk.opened()
    assert not desk.page.locator("#waiting").is_visible()
    desk.give("1")


def test_a_blind_clip_comes_without_what_it_hides(many: Manifests, serve: Any, sit: Any) -> None:
    served = serve(many, settings=Settings(shown=0.0))
    for row in served.manifests.read(CLIPS).to_pylist():  # pictures that scoring wrote
        picture = served.manifests.evidence(row["clip_id"], Metric.SPATIAL, profile="lite", generator="alpha")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"RIFF")
    asked: list[str] = []
    dealt: list[Any] = []
    desk = sit(served, "anna", "/")
    desk.page.on("request", lambda request: asked.append(request.url))

    def read(response: Any) -> None:
        if response.url.endswith("/hand"):
            dealt.append(response.json())

    desk.page.on("response", read)
    desk.page.goto(f"{served.url}/review")
    desk.ready()
    clip = desk.clip
    desk.press("3")
    assert not [url for url in asked if "evidence" in url or "spatial" in url]
    items = [item for hand in dealt for item in hand["items"]]
    assert items
    assert all(item["suggestion"] is None and item["shown"] is False for item in items)
    words = ("scores", "ranks", "margin", "trace")
    assert not [word for word in words if word in json.dumps(items)]
    for path in (f"/api/clips/{clip}/evidence", f"/media/{clip}/spatial.webp"):
        assert desk.run(f"fetch('{path}').then((r) => r.status)") == 403
    desk.press("Enter")
    desk.in_phase("revealed")
    desk.counts("#lanes path", 3)
    assert desk.text("#verdict") in ("Spatial", "Appearance", "Motion")
    until(lambda: any(f"{clip}/spatial.webp" in url for url in asked))
    # Nothing of the clips that follow.
    assert {url.split("/")[-2] for url in asked if "evidence" in url} == {clip}


def footage(manifests: Manifests, generator: str) -> None:
    """Let a generator be a source of camera footage."""
    for table, changed in ((CLIPS, {"is_real": True}), (LABELS, {"auto_label": 3, "margin": None})):
        rows = [row | changed for row in manifests.read(table, generator=generator).to_pylist()]
        rows = [row for row in rows if table is LABELS or row["status"] == "ok"]
        manifests.replace(table, [pa.Table.from_pylist(rows, schema=table.schema)], generator=generator)


def test_the_source_decides_the_answers_and_is_named(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0))
    served.end()
    footage(served.manifests, "beta")
    served.begin()
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    assert desk.text("#origin").startswith("Generated by alpha")
    names = desk.run("[...document.querySelectorAll('.side .answer b')].map((b) => b.textContent)")
    assert names == ["Spatial", "Appearance", "Motion", "No anomaly", "Reject", "Unsure"]
    desk.page.goto(f"{served.url}/review?generator=beta")
    desk.ready()
    assert desk.text("#origin").startswith("Camera footage beta")
    names = desk.run("[...document.querySelectorAll('.side .answer b')].map((b) => b.textContent)")
    assert names == ["Real footage", "Reject", "Unsure"]
    desk.press("1", "2", "3", "Enter")
    assert desk.page.locator(".answer[aria-pressed=true]").count() == 0
    desk.press("r")
    assert "generated" in desk.text("#reason-list")
    assert desk.run(AGAIN)
    assert desk.run(CANCEL) == "Real footage"
    clip = desk.opened().clip
    desk.press("Enter")
    desk.past(clip)
    desk.saved()
    served.end()
    row = served.manifests.read(REVIEWS).to_pylist()[-1]
    assert (row["clip_id"], row["label"]) == (clip, 3)


def test_a_setting_hides_where_clips_are_from(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(show_source=False))
    desk = sit(served, "anna").ready()
    assert not desk.page.locator("#origin").is_visible()
    item = desk.run(f"fetch('/api/clips/{desk.clip}').then((r) => r.json())")
    assert (item["generator"], item["source"]) == (None, None)
    assert "alpha" not in desk.text("main")


@pytest.mark.parametrize("blind", [False, True])
def test_what_cannot_be_played_can_be_rejected_and_nothing_else(
    sample: Manifests, serve: Any, sit: Any, blind: bool
) -> None:
    queues = Settings().queues | {"failed": QueueSettings(blind=blind)}
    served = serve(sample, settings=Settings(queues=queues))
    desk = sit(served, "anna", "/review?queue=failed")
    desk.says("#message", "FFmpeg cannot read it")
    desk.opened()
    assert desk.run("[...document.querySelectorAll('.side .answer b')].map((b) => b.textContent)") == [
        "Reject",
        "Unsure",
    ]
    desk.press("1", "4", "Enter")
    assert desk.page.locator(".answer[aria-pressed=true]").count() == 0
    desk.press("r", "1", "Enter")
    desk.says("#message", "This queue is done")
    desk.saved()


def test_whoever_is_signed_out_loses_no_answer(sample: Manifests, serve: Any, sit: Any, tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    tokens = {name: add_user(name, file).summary["token"] for name in ("anna", "ben")}
    served = serve(sample, settings=Settings(shown=1.0), users=UsersFile(file))
    desk = sit(served, "anna", "/review?generator=alpha", token=tokens["anna"]).ready()
    before = file.read_text()
    file.write_text(before.replace('"anna"', '"anne"'))
    clip = desk.clip
    desk.press("2", "Enter")
    desk.page.wait_for_url(f"{served.url}/enter")
    file.write_text(before)
    desk.enter("anna", tokens["anna"])
    desk.sent()
    served.end()
    assert [row["clip_id"] for row in served.manifests.read(REVIEWS).to_pylist()] == [clip]
