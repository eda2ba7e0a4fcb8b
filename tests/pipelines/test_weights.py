"""`hfv weights pull | check` against servers on this machine."""

import dataclasses
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hfv_builder.backends import registry
from hfv_builder.backends.specs import File, Pin
from hfv_builder.backends.weights import RECORD, WeightsDir
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from pipelines import weights
from tests.backends.test_weights import BODY, pin_of


class Server(http.server.BaseHTTPRequestHandler):
    """Serves BODY at every address, with support of ranges."""

    asked: list[str | None] = []  # noqa: RUF012 (shared on purpose)

    def do_GET(self) -> None:
        range_header = self.headers.get("Range")
        self.asked.append(range_header)
        start = int(range_header.removeprefix("bytes=").removesuffix("-")) if range_header else 0
        if start >= len(BODY):
            self.send_error(416)
            return
        self.send_response(206 if range_header else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        self.wfile.write(BODY[start:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        Server.asked.clear()
        yield f"http://127.0.0.1:{server.server_address[1]}/file"
        server.shutdown()
        thread.join()


COMMIT = "c" * 40
HUB = {"config.json": b"{}", "model.safetensors": b"\x02" + bytes(7) + b"{}"}


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers like the Hugging Face hub for one model, whose files are HUB."""

    fetched: list[str] = []  # noqa: RUF012 (shared on purpose)

    def do_HEAD(self) -> None:
        self._answer(HUB[self.path.rsplit("/", 1)[1]])

    def do_GET(self) -> None:
        if "/resolve/" not in self.path:
            body = json.dumps({"id": "someone/model", "sha": COMMIT, "siblings": []}).encode()
        else:
            name = self.path.rsplit("/", 1)[1]
            self.fetched.append(name)
            body = HUB[name]
        self._answer(body)
        self.wfile.write(body)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WeightsDir]:
    """Return a weights directory for a model without a pinned commit, which a hub on this machine has."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        Hub.fetched.clear()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(registry, "learnt", lambda profile: ("x",))
        files = tuple(File(name=name) for name in HUB)
        pins = {"x": Pin(source="someone/model", revision=None, licence="mit", files=files)}
        yield WeightsDir(root=tmp_path / "store", pins=pins)
        server.shutdown()
        thread.join()


def test_a_download_resumes_where_it_stopped(url: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.with_name("x.pth.part").write_bytes(BODY[:1000])
    weights.download(url, path)
    assert path.read_bytes() == BODY
    assert Server.asked == ["bytes=1000-"]
    assert not path.with_name("x.pth.part").exists()


def test_a_complete_partial_file_is_renamed(url: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.with_name("x.pth.part").write_bytes(BODY)
    weights.download(url, path)
    assert path.read_bytes() == BODY


def test_pull_downloads_missing_and_damaged_weights(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WeightsDir(root=tmp_path / "store", pins={"x": pin_of(BODY, tmp_path)})
    monkeypatch.setattr(registry, "learnt", lambda profile: ("x",))

    def url_of(source: str) -> str:
        with pytest.raises(UsageError, match="another hfv is at work on pull-x in "):
            weights.pull(paper, store=store)
        return url

    monkeypatch.setattr(weights, "_torchvision_url", url_of)
    paper = load_profile("paper")
    with pytest.raises(UsageError, match=r"missing: x/x\.pth"):
        weights.demand(weights.check(paper, store=store), store)
    states = weights.pull(paper, store=store)
    weights.demand(states, store)
    assert [file.state for file in states] == ["ok"]
    table = weights.table(states)
    assert all(word in table for word in ("model", "revision", "licence", "abc", "mit", "x.pth", "ok"))
    asked = len(Server.asked)
    weights.pull(paper, store=store)
    assert len(Server.asked) == asked
    (store.folder("x") / "x.pth").write_bytes(b"damaged")
    assert [file.state for file in weights.pull(paper, store=store)] == ["ok"]


def test_a_download_without_the_published_hash_is_not_kept(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightsDir(root=tmp_path / "store", pins={"x": pin_of(b"something else", tmp_path)})
    monkeypatch.setattr(registry, "learnt", lambda profile: ("x",))
    monkeypatch.setattr(weights, "_torchvision_url", lambda source: url)
    with pytest.raises(UsageError, match="does not have the published SHA-256"):
        weights.pull(load_profile("paper"), store=store)
    assert not (store.folder("x") / "x.pth").exists()


def test_pull_without_a_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WeightsDir(root=tmp_path / "store", pins={"x": dataclasses.replace(pin_of(BODY, tmp_path))})
    monkeypatch.setattr(registry, "learnt", lambda profile: ("x",))
    monkeypatch.setattr(weights, "_torchvision_url", lambda source: "http://127.0.0.1:9/x")
    with pytest.raises(UsageError, match=r"cannot be downloaded .* on a machine with network access and copy"):
        weights.pull(load_profile("paper"), store=store)

    def fail(source: str) -> str:
        raise NotADirectoryError(20, "Not a directory", name)

    monkeypatch.setattr(weights, "_torchvision_url", fail)
    name = "/elsewhere/token"  # the hub's client in a wrong HF_HOME
    with pytest.raises(UsageError, match=r"cannot be downloaded .*/elsewhere/token"):
        weights.pull(load_profile("paper"), store=store)
    name = str(tmp_path / "real" / "x")  # the hub's client follows links
    store.root.rename(tmp_path / "real")
    store.root.symlink_to("real")
    with pytest.raises(UsageError, match="cannot be stored"):
        weights.pull(load_profile("paper"), store=store)


def test_a_folder_that_cannot_be_written_needs_no_record_of_pinned_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "learnt", lambda profile: ("x",))
    paper = load_profile("paper")
    (tmp_path / "x" / RECORD).mkdir(parents=True)  # so that no record can be written
    (tmp_path / "x" / "x.pth").write_bytes(BODY)
    store = WeightsDir(root=tmp_path, pins={"x": pin_of(BODY, tmp_path)})
    assert [file.state for file in weights.check(paper, store=store)] == ["ok"]
    unpinned = WeightsDir(root=tmp_path, pins={"x": pin_of(BODY, tmp_path, revision=None)})
    with pytest.raises(UsageError, match=f"missing: x/{RECORD}"):
        weights.demand(weights.check(paper, store=unpinned), unpinned)
    for folder in (tmp_path, tmp_path / "x" / "x.pth"):
        with pytest.raises(UsageError, match=r"cannot be stored .*: free space, or give another folder"):
            weights.pull(paper, store=dataclasses.replace(store, root=folder))


def test_check_records_weights_added_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WeightsDir(root=tmp_path, pins={"x": pin_of(BODY, tmp_path, revision=None)})
    monkeypatch.setattr(registry, "learnt", lambda profile: ("x",))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.pth").write_bytes(BODY)
    states = weights.check(load_profile("paper"), store=store)
    weights.demand(states, store)
    assert store.recorded_revision("x") == weights.UNPINNED
    store.require(["x"])


def test_pull_from_a_hub_records_the_commit(hub: WeightsDir) -> None:
    for _ in range(2):
        weights.demand(weights.pull(load_profile("paper"), store=hub), hub)
        assert sorted(Hub.fetched) == sorted(HUB)
    assert hub.recorded_revision("x") == COMMIT
    assert {path.name: path.read_bytes() for path in hub.folder("x").iterdir() if path.name != RECORD} == HUB


@pytest.mark.parametrize("checked_before", [False, True], ids=["pulled", "checked before"])
@pytest.mark.parametrize("same", [True, False], ids=["the hub's", "others"])
def test_pull_compares_weights_added_by_hand_with_the_hub(hub: WeightsDir, same: bool, checked_before: bool) -> None:
    """The commit of the hub must not be recorded beside other files than the hub's."""
    hub.folder("x").mkdir(parents=True)
    (hub.folder("x") / "config.json").write_bytes(HUB["config.json"])
    model = HUB["model.safetensors"] if same else b"\x04" + bytes(7) + b"{  }"
    (hub.folder("x") / "model.safetensors").write_bytes(model)
    if checked_before:
        weights.demand(weights.check(load_profile("paper"), store=hub), hub)
        assert hub.recorded_revision("x") == weights.UNPINNED
        (hub.folder("x") / "config.json").unlink()
    weights.demand(weights.pull(load_profile("paper"), store=hub), hub)
    assert hub.recorded_revision("x") == COMMIT
    assert ("model.safetensors" in Hub.fetched) is not same
    assert (hub.folder("x") / "model.safetensors").read_bytes() == HUB["model.safetensors"]
