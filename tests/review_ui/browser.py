"""A served app and a reviewer at a browser, as tests speak of them."""

import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import uvicorn

from hfv_builder.storage.manifest import Manifests
from review_ui.app import create_app
from review_ui.connections import server_config


class Served:
    """An app that can be stopped and started again at its address."""

    def __init__(self, manifests: Manifests, **settings: Any) -> None:
        self.manifests = manifests
        self.settings = settings
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.begin()

    def begin(self) -> None:
        app = create_app(
            self.manifests, **{"db": self.manifests.local_root / "review" / "decisions.sqlite"} | self.settings
        )
        config = server_config(app, host="127.0.0.1", port=self.port, log_level="critical", stop_s=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        until(lambda: self.server.started, every=0.005)

    def end(self) -> None:
        self.server.should_exit = True
        self.thread.join()


def calibrated(served: Served, **answers: str) -> str:
    """Give the first clip of the calibration set these answers, by reviewer, without a browser; the clip."""
    clips: set[str] = set()
    for name, answer in answers.items():
        with httpx.Client(base_url=served.url) as client:
            client.post("/api/session", json={"name": name})
            clip = client.post("/api/queues/calibration/hand", json={"count": 1}).json()["items"][0]["clip_id"]
            body = {"decision_id": secrets.token_hex(16), "clip_id": clip, "answer": answer}
            client.post("/api/decisions", json=body).raise_for_status()
        clips.add(clip)
    (clip,) = clips
    return clip


def until(true: Callable[[], Any], seconds: float = 120.0, every: float = 0.05) -> Any:
    """What the function gives, once that is true. What happens in a page is waited for with `Desk.until`."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(every)
    return found


CLIP = "(document.querySelector('video.on')?.src ?? '').slice(-20, -4)"
# How many requests of scripts have no complete answer. The load event waits for all else of a page.
COUNT = """(() => {
  const ask = window.fetch;
  const end = () => { window.unanswered -= 1; };
  window.unanswered = 0;
  window.fetch = (...request) => {
    window.unanswered += 1;
    const answer = ask(...request);
    answer.then((response) => response.clone().arrayBuffer()).then(end, end);
    return answer;
  };
})()"""
# For some looks, since the answer to one request may lead to another, or to a picture.
SETTLED = """(() => {
  const images = [...document.images].every((image) => image.complete);
  window.still = document.readyState === "complete" && !window.unanswered && images ? (window.still ?? 0) + 1 : 0;
  return window.still > 3;
})()"""
SAYS = "(document.querySelector(it[0])?.innerText ?? '').split(/\\s+/).join(' ').includes(it[1])"


class Desk:
    """A reviewer at a browser of their own."""

    def __init__(
        self,
        chromium: Any,
        served: Served,
        name: str,
        path: str = "/review",
        *,
        token: str = "",
        guided: bool = True,
        **options: Any,
    ) -> None:
        self.context = chromium.new_context(**{"viewport": {"width": 1366, "height": 768}} | options)
        self.context.set_default_timeout(120_000)  # generous: the machine may be busy
        if guided:  # has read the guide, which is shown before the first clip
            read = f"localStorage.setItem({json.dumps(f'hfv.guide.{name}')}, 'seen')"
            # A tab begins with a blank page, which has no storage.
            self.context.add_init_script(f"if (location.protocol === 'http:') {read}")
        entry = self.context.request.post(
            f"{served.url}/api/session", data={"name": name} | ({"token": token} if token else {})
        )
        assert entry.ok, entry.text()
        self.context.add_init_script(COUNT)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.url = served.url
        self.page.goto(served.url + path)

    def enter(self, name: str, token: str = "") -> None:
        """Signs in on the page for that."""
        self.page.keyboard.type(name)  # the field has the focus
        if token:
            self.page.fill("#token", token)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"{self.url}/")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def until(self, script: str, it: Any = None) -> "Desk":
        """Waits until this is true in the page, which looks often. The script may use `it`."""
        self.page.wait_for_function(f"(it) => {script}", arg=it, polling=20)  # every frame would have to be painted
        return self

    def visit(self, path: str) -> "Desk":
        """Opens a page of the server, and waits until nothing of it is missing."""
        self.page.goto(self.url + path)
        return self.settled()

    def settled(self) -> "Desk":
        """Waits until the page has loaded, no script waits for an answer, and all pictures are there."""
        return self.until(SETTLED)

    @property
    def phase(self) -> str:
        return str(self.run("document.body.dataset.phase"))

    @property
    def clip(self) -> str:
        return str(self.run(CLIP))

    def in_phase(self, phase: str) -> "Desk":
        """Waits until the page is in this phase."""
        return self.until("document.body.dataset.phase === it", phase)

    def at(self, clip: str) -> "Desk":
        """Waits until this clip is on top."""
        return self.until(f"{CLIP} === it", clip)

    def past(self, clip: str) -> "Desk":
        """Waits until this clip is not on top any more."""
        return self.until(f"{CLIP} !== it", clip)

    def opened(self) -> "Desk":
        """Waits until the clip on top takes answers."""
        return self.until("document.body.dataset.open === 'true'")

    def give(self, *keys: str, change: Sequence[str] = ()) -> str:
        """Answers the clip with these keys and goes on; the clip. `change`: keys once the suggestion is shown."""
        clip, blind = self.opened().clip, self.phase == "blind"
        self.press(*keys, "Enter")
        if blind:
            self.in_phase("revealed").opened().press(*change, "Enter")
        self.past(clip)
        return clip

    def ready(self) -> "Desk":
        """Waits until the clip on top has shown a frame, its frames are known, and it takes answers."""
        self.until(f"{CLIP} && document.getElementById('screen').dataset.swap?.startsWith({CLIP})")
        return self.says("#clock", "frame").opened()

    def text(self, selector: str) -> str:
        """The text that can be seen there, on one line."""
        return " ".join(self.page.locator(selector).inner_text().split())

    def says(self, selector: str, words: str) -> "Desk":
        """Waits until the text that can be seen there has these words."""
        return self.until(SAYS, [selector, words])

    def counts(self, selector: str, number: int) -> "Desk":
        """Waits until there are so many elements."""
        return self.until("document.querySelectorAll(it[0]).length === it[1]", [selector, number])

    def saved(self) -> None:
        self.until("document.getElementById('saved').textContent === 'Saved'")

    def sent(self) -> None:
        """Waits until the browser keeps no answer that the server does not have."""
        self.until("!Object.keys(localStorage).some((key) => key.startsWith('hfv.out.'))")

    def close(self) -> None:
        assert self.faults == [], self.faults
        self.context.close()
