"""A session by touch in Chromium: every decision must be kept for its clip, with its answer, in order."""

import contextlib
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.resident import processor_s
from review_ui.settings import Settings
from tests.review_ui.browser import Desk, Served
from tests.review_ui.conftest import ARGS
from tests.review_ui.sample import make_clips
from tests.review_ui.touch import kept, session, tap, touching

NAME = "anna"


def measure_touch(root: Path, clips: int, size: tuple[int, int]) -> dict[str, Any]:
    """Answer so many rendered clips by touch on a screen of this size, and compare what was tapped with what was kept.

    Some answers are confirmed offline, undone, given a note, or interrupted by a reload; see `session`.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("there is no chromium here")
    manifests = make_clips(root, clips + 1)
    began, busy = time.perf_counter(), processor_s()
    with sync_playwright() as play, contextlib.ExitStack() as ends:
        served = Served(manifests, settings=Settings(shown=0.5, repeats=0))
        ends.callback(served.end)
        browser = play.chromium.launch(executable_path=chromium, args=ARGS)
        desk = touching(partial(Desk, browser), served, NAME, size)
        tap(desk, "a.queue")
        desk.page.wait_for_url("**/review?*")
        tapped = list(session(desk, NAME, clips))
        stored = kept(served)
        desk.close()
        browser.close()
    return {
        "screen": f"{size[0]}×{size[1]}",
        "clips": len({clip for _, clip, *_ in tapped}),
        "decisions": len(tapped),
        "kept": len(stored),
        "lost": len(set(tapped) - set(stored)),
        "misplaced": len(set(stored) - set(tapped)),
        "same_in_order": tapped == stored,
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(processor_s() - busy, 1),
    }
