"""Fixtures of the review app's tests."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hfv_builder.manifest import Manifests
from review_ui.app import create_app
from tests.review_ui.sample import make_sample


class Person:
    """A reviewer who uses the API."""

    def __init__(self, client: TestClient, name: str, token: str | None = None) -> None:
        self.client = client
        self.name = name
        body = {"name": name} | ({} if token is None else {"token": token})
        self.entry = client.post("/api/session", json=body)
        self.cookie = self.entry.cookies.get("hfv_session", "")
        client.cookies.clear()
        self.csrf = self.entry.json().get("csrf", "")

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response to a request of this reviewer's."""
        own = {"Cookie": f"hfv_session={self.cookie}", "X-CSRF-Token": self.csrf} | headers
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
