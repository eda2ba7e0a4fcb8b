"""Fixtures of the review app's tests."""

import asyncio
import secrets
import shutil
from asyncio import _set_running_loop
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hfv_builder.storage.manifest import Manifests
from pipelines.score.execution import IMPORTS
from pipelines.workers.local import prepare_forks
from review_ui.app import create_app
from review_ui.pages import PAUSES
from tests.review_ui.browser import Desk, Served
from tests.review_ui.sample import SHARED, make_clips, make_media, make_sample, write_manifests

BROWSERS = "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    # With the last three, every window has two more processes, which take longer than the page itself. The others are
    # those of Playwright, whose list this one replaces.
    "--disable-features=AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,LensOverlay,"
    "MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch,"
    "ThirdPartyStoragePartitioning,AimEnabled,WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess",
]


@pytest.fixture(scope="session", autouse=True)
def forks() -> None:
    """Start the fork server as clusters need it: one process has one, and the first to need it decides its threads.

    It has what media are made with, too. Without that every proxy and film strip would import it anew, in seconds.
    """
    prepare_forks((*IMPORTS, "review_ui.proxies"))


class Person:
    """A reviewer who uses the API."""

    def __init__(self, client: TestClient, name: str, token: str | None = None) -> None:
        self.client = client
        self.name = name
        body = {"name": name} | ({} if token is None else {"token": token})
        self.entry = client.post("/api/session", json=body)
        self.cookie = self.entry.cookies.get("hfv_session", "")
        client.cookies.clear()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response to a request of this reviewer's."""
        own = {"Cookie": f"hfv_session={self.cookie}"} | headers
        return self.client.request(method, path, json=body, headers=own)

    def get(self, path: str) -> Any:
        """The JSON at this path."""
        response = self.send("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def hand(self, count: int = 1, queue: str = "labels", **wanted: str) -> list[dict[str, Any]]:
        """The clips dealt."""
        response = self.send("POST", f"/api/queues/{queue}/hand", {"count": count, **wanted})
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    def decide(self, clip_id: str, answer: str, **more: Any) -> str:
        """The id of a decision that was kept."""
        body = {"decision_id": secrets.token_hex(16), "clip_id": clip_id, "answer": answer} | more
        response = self.send("POST", "/api/decisions", body)
        assert response.status_code == 200, response.text
        return str(body["decision_id"])


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Manifests that no test changes."""
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Thirty small clips that no test changes."""
    return make_clips(tmp_path_factory.mktemp("many"), 30)


@pytest.fixture
def manifests(sample: Manifests, tmp_path: Path) -> Manifests:
    """A copy to work with; the clips are shared."""
    shutil.copytree(sample.local_root, tmp_path / "manifests")
    return Manifests(tmp_path / "manifests")


@pytest.fixture
def db(manifests: Manifests) -> Path:
    """Where decisions are kept."""
    return manifests.local_root / "review" / "decisions.sqlite"


@pytest.fixture
def start(manifests: Manifests, db: Path) -> Iterator[Callable[..., TestClient]]:
    """Starts an app over the manifests; ends it with the test."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> TestClient:
            app = create_app(manifests, db, **settings)
            return stack.enter_context(TestClient(app, base_url="http://127.0.0.1"))

        yield begin


@pytest.fixture
def client(start: Callable[..., TestClient]) -> TestClient:
    """The app with its usual settings."""
    return start()


@pytest.fixture
def anna(client: TestClient) -> Person:
    """A reviewer."""
    return Person(client, "anna")


@pytest.fixture(scope="module")
def door(sample: Manifests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An app for tests that change nothing there: to start one takes longer than they do."""
    root = tmp_path_factory.mktemp("door") / "manifests"
    shutil.copytree(sample.local_root, root)
    with TestClient(create_app(Manifests(root), root / "decisions.sqlite"), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def guest(door: TestClient) -> Person:
    """A reviewer who changes nothing."""
    return Person(door, "anna")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser without a window, which takes a second to start. Tests use `chromium`."""
    found = [shutil.which(name) for name in BROWSERS]
    if not any(found):
        pytest.skip("no chromium on the path: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as play:
        launched = play.chromium.launch(executable_path=next(filter(None, found)), args=ARGS)
        loop = asyncio.get_running_loop()
        _set_running_loop(None)
        yield launched, loop
        _set_running_loop(loop)
        launched.close()


@pytest.fixture(scope="module")
def chromium(browser: Any) -> Iterator[Any]:
    """The browser. Playwright's event loop is that of the thread meanwhile, so that other modules can run their own."""
    launched, loop = browser
    _set_running_loop(loop)
    yield launched
    _set_running_loop(None)


@pytest.fixture(scope="session")
def real_sample(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Generated clips of different makers, sizes and speeds."""
    if not SHARED.is_dir():
        pytest.skip(f"no real clips: {SHARED} is not there")
    manifests = Manifests(tmp_path_factory.mktemp("real") / "manifests")
    clips = {name: sorted((SHARED / name).glob("*.mp4"))[:3] for name in ("wan21", "videophy2")}
    write_manifests(manifests, clips)
    return manifests


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Manifests], Path]:
    """Gives a folder with the proxies and film strips of these manifests, which are made once."""
    folders: dict[Path, Path] = {}

    def made(manifests: Manifests) -> Path:
        if manifests.local_root not in folders:
            folders[manifests.local_root] = make_media(manifests, tmp_path_factory.mktemp("media"))
        return folders[manifests.local_root]

    return made


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets pages accept answers soon. What the pauses are for is shown by tests that override this."""
    for name in PAUSES:
        monkeypatch.setitem(PAUSES, name, 50)


@pytest.fixture
def serve(tmp_path: Path, media: Callable[[Manifests], Path], pauses: None) -> Iterator[Callable[..., Served]]:
    """Serves a copy of manifests, with or without prepared media, at an address of its own; ends with the test."""
    with ExitStack() as stack:

        def begin(sample: Manifests, *, prepared: bool = True, **settings: Any) -> Served:
            shutil.copytree(sample.local_root, tmp_path / "manifests")
            if prepared:
                shutil.copytree(media(sample), tmp_path / "manifests" / "review" / "proxies")
            served = Served(Manifests(tmp_path / "manifests"), **settings)
            stack.callback(served.end)
            return served

        yield begin


@pytest.fixture
def sit(chromium: Any) -> Iterator[Callable[..., Desk]]:
    """Lets a reviewer sit down at a browser."""
    desks: list[Desk] = []

    def begin(served: Served, name: str, path: str = "/review", **options: Any) -> Desk:
        desks.append(Desk(chromium, served, name, path, **options))
        return desks[-1]

    yield begin
    for desk in desks:
        desk.close()
