"""A served app and a reviewer at a browser, as tests speak of them."""

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

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
        until(lambda: self.server.started)

    def end(self) -> None:
        self.server.should_exit = True
        self.thread.join()


def until(true: Callable[[], Any], seconds: float = 120.0) -> Any:
    """What the function gives, once that is true."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)  # the page is busy while it is asked
    return found


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

    @property
    def phase(self) -> str:
        return str(self.run("document.body.dataset.phase"))

    @property
    def clip(self) -> str:
        return str(self.run("(document.querySelector('video.on')?.src ?? '').slice(-20, -4)"))

    def opened(self) -> "Desk":
        """Waits until the clip on top takes answers."""
        until(lambda: self.run("document.body.dataset.open") == "true")
        return self

    def give(self, *keys: str, change: Sequence[str] = ()) -> str:
        """Answers the clip with these keys and goes on; the clip. `change`: keys once the suggestion is shown."""
        clip, blind = self.opened().clip, self.phase == "blind"
        self.press(*keys, "Enter")
        if blind:
            until(lambda: self.phase == "revealed")
            self.opened().press(*change, "Enter")
        until(lambda: self.clip != clip)
        return clip

    def ready(self) -> "Desk":
        """Waits until the clip on top has shown a frame, its frames are known, and it takes answers."""
        until(lambda: (self.run("document.getElementById('screen').dataset.swap") or "").startswith(self.clip or "-"))
        until(lambda: "frame" in self.run("document.getElementById('clock').textContent"))
        return self.opened()

    def text(self, selector: str) -> str:
        """The text that can be seen there, on one line."""
        return " ".join(self.page.locator(selector).inner_text().split())

    def saved(self) -> None:
        until(lambda: self.run("document.getElementById('saved').textContent") == "Saved")

    def close(self) -> None:
        assert self.faults == [], self.faults
        self.context.close()
