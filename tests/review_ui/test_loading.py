"""A slow network, a clip that the browser cannot decode, and what the pages offer when there is nothing."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, REVIEWS
from review_ui.settings import Settings
from tests.review_ui.browser import Desk, calibrated

CHOSEN = ".answer[aria-pressed=true]"
SLOW = {"offline": False, "latency": 200, "downloadThroughput": 60_000, "uploadThroughput": 60_000}
# Presses keys until a frame has been decoded: how often, and how many answers were chosen. A look at the video and the
# keys after it are one task, in which nothing arrives.
IMPATIENT = """() => new Promise((done) => {
  let pressed = 0, chosen = 0;
  const again = () => {
    if (document.querySelector("video.on")?.readyState >= 2) { done([pressed, chosen]); return; }
    for (const key of ["1", "Enter"]) {
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      chosen += document.querySelectorAll(".answer[aria-pressed=true]").length;
    }
    pressed += 1;
    setTimeout(again, 50);
  };
  again();
})"""


def slow_down(desk: Desk) -> None:
    session = desk.context.new_cdp_session(desk.page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW)


def test_on_a_slow_network_no_answer_is_taken_before_the_first_frame(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0, repeats=0))
    desk = sit(served, "anna", "/")
    slow_down(desk)
    desk.page.goto(f"{served.url}/review?generator=alpha", wait_until="commit")
    desk.page.wait_for_selector("#confirm", state="attached")
    pressed, chosen = desk.run(IMPATIENT)
    assert pressed > 3  # it was slow
    assert chosen == 0
    desk.opened()
    assert not desk.page.locator("#waiting").is_visible()
    clip = desk.give("2")
    desk.saved()
    served.end()
    assert [(row["clip_id"], row["label"]) for row in served.manifests.read(REVIEWS).to_pylist()] == [(clip, 1)]


def test_a_clip_that_this_browser_cannot_decode_gets_no_label(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0, repeats=0))
    desk = sit(served, "anna", "/")
    desk.context.route("**/media/*.mp4", lambda route: route.fulfill(body=b"nothing", content_type="video/mp4"))
    desk.page.goto(f"{served.url}/review?generator=alpha")
    desk.says("#message", "cannot decode it")
    assert not desk.page.locator("#waiting").is_visible()
    desk.opened().press("1", "Enter", "4", "Enter")
    desk.page.click("[data-answer=motion]", force=True)
    assert desk.page.locator(CHOSEN).count() == 0
    assert desk.page.locator("[data-answer=spatial]").get_attribute("aria-disabled") == "true"
    assert "has no label" in desk.text("#toast")
    desk.press("u")
    assert desk.page.locator(CHOSEN).count() == 1


def test_filters_offer_what_there_is(sample: Manifests, serve: Any, sit: Any) -> None:
    desk = sit(serve(sample), "anna", "/")
    desk.counts("#filters [name=split] option", 3)
    options = "[...document.querySelectorAll('#filters [name=NAME] option')].map((o) => o.textContent)"
    assert desk.run(options.replace("NAME", "split")) == ["all", "train", "val"]  # no clip is in `test`
    assert "Real footage" not in desk.run(options.replace("NAME", "label"))
    assert desk.run(options.replace("NAME", "generator")) == ["all", "alpha", "beta"]


def test_without_a_case_nothing_of_one_is_left(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0, calibration=1))
    calibrated(served, anna="spatial", ben="motion")
    judge = sit(served, "zoe", "/adjudicate").ready()
    judge.counts("#lanes path", 3)
    judge.press("2", "Enter")
    judge.says("#message", "No open cases")
    judge.settled()
    assert judge.page.locator("#lanes path, #lanes button, video, .opinion, .answer:visible").count() == 0
    assert not judge.page.locator("#confirm").is_visible()
    assert not judge.page.locator("#suggestion").is_visible()
    assert judge.run("document.getElementById('film').getContext('2d').getImageData(5, 5, 1, 1).data[3]") == 0


def test_a_case_whose_answer_is_refused_comes_back(sample: Manifests, serve: Any, sit: Any) -> None:
    served = serve(sample, settings=Settings(shown=1.0, calibration=1))
    calibrated(served, anna="spatial", ben="motion")
    judge = sit(served, "zoe", "/adjudicate").ready()
    judge.page.route("**/api/adjudications", lambda route: route.fulfill(status=422, json={"error": "no"}), times=1)
    judge.press("2", "Enter")
    judge.says("#toast", "Not saved: no").ready().press("2", "Enter")
    judge.says("#message", "No open cases")


def test_prompts_without_end_do_not_stop_the_review(sample: Manifests, tmp_path: Path, serve: Any, sit: Any) -> None:
    rows = sample.read(CLIPS).to_pylist()
    long = Manifests(tmp_path / "long")
    shutil.copytree(sample.local_root, long.local_root)
    for name in ("alpha", "beta"):
        own = [row | {"prompt": "word " * 180_000} for row in rows if row["generator"] == name]
        long.replace(CLIPS, [pa.Table.from_pylist(own, schema=CLIPS.schema)], generator=name)
    served = serve(long, prepared=False, settings=Settings(shown=1.0))
    desk = sit(served, "anna", "/review?generator=alpha").ready()
    clips = [desk.give("1") for _ in range(6)]  # more than the browser stores
    desk.saved()
    desk.ready().press("z")  # the last one can be returned to
    desk.at(clips[-1])
