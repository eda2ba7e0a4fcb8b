"""What the server refuses, and how it says so."""

import sqlite3
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from pipelines.review import add_user, export_reviews, review
from review_ui.guard import hostname, is_loopback, names_of
from review_ui.settings import Settings, load_settings
from review_ui.users import NAME, read_users
from tests.review_ui.conftest import Person


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost@evil.example:1"])
def test_foreign_hosts_are_refused(door: TestClient, host: str) -> None:
    response = door.get("/enter", headers={"Host": host})
    assert response.status_code == 421
    assert "error" in response.json()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_own_names_are_known(door: TestClient, host: str) -> None:
    assert door.get("/enter", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_sites_change_nothing(anna: Person, headers: dict[str, str]) -> None:
    clip_id = anna.hand()[0]["clip_id"]
    body = {"decision_id": "a" * 16, "clip_id": clip_id, "answer": "none"}
    assert anna.send("POST", "/api/decisions", body, **headers).status_code == 403
    assert anna.send("POST", "/api/decisions", body).status_code == 200


def test_large_bodies_are_refused(guest: Person) -> None:
    response = guest.send("POST", "/api/decisions", {"note": "x" * 70_000})
    assert response.status_code == 413

    def drip() -> object:
        for _ in range(20):
            yield b"x" * 10_000

    own = {"Cookie": f"hfv_session={guest.cookie}", "Content-Type": "application/json"}
    assert guest.client.post("/api/decisions", content=drip(), headers=own).status_code == 413  # type: ignore[arg-type]


def test_every_answer_carries_the_headers(door: TestClient) -> None:
    for path in ("/enter", "/nothing", "/static/base.css", "/api/me"):
        headers = door.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_cookie_is_kept_from_scripts_and_other_sites(guest: Person) -> None:
    cookie = guest.entry.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


@pytest.mark.parametrize("path", ["/", "/review", "/adjudicate", "/dashboard", "/api-guide"])
def test_pages_lead_strangers_to_the_door(door: TestClient, path: str) -> None:
    response = door.get(path, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/enter")


@pytest.mark.parametrize("path", ["/api/me", "/api/queues", "/api/reviews.csv", "/media/0000000000000000.mp4"])
def test_strangers_get_nothing(door: TestClient, path: str) -> None:
    assert door.get(path).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/media/..%2F..%2Fetc%2Fpasswd.mp4",
        "/media/../../../etc/passwd",
        "/media/%2e%2e%2f%2e%2e%2fetc%2fpasswd/strip.webp",
        "/static/..%2fapp.py",
        "/static/../app.py",
        "/media/0123456789abcdef/..%2f..%2fx.webp",
        "/media/0123456789abcdeg.mp4",
        "/media/0123456789abcdef%00.mp4",
    ],
)
def test_no_path_leads_out(guest: Person, path: str) -> None:
    response = guest.send("GET", path)
    assert response.status_code in (404, 422)
    assert b"import" not in response.content
    assert b"root:" not in response.content


def test_unknown_ids(guest: Person) -> None:
    unknown = "0" * 16
    assert guest.send("GET", f"/api/clips/{unknown}").status_code == 404
    assert guest.send("GET", f"/media/{unknown}.mp4").status_code == 404
    body = {"decision_id": "a" * 16, "clip_id": unknown, "answer": "none"}
    response = guest.send("POST", "/api/decisions", body)
    assert response.status_code == 404
    assert response.json() == {"error": f"there is no clip {unknown} in these manifests"}


@pytest.mark.parametrize("name", ["", " ", "adjudicator:anna", "a:b", "<b>", "x" * 41, "a\nb", "-x"])
def test_names_that_will_not_do(door: TestClient, name: str) -> None:
    assert door.post("/api/session", json={"name": name}).status_code == 422


def test_faults_are_told_without_a_trace(
    start: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch, manifests: Manifests
) -> None:
    from review_ui.app import create_app
    from review_ui.desk import Desk

    def burst(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(Desk, "item", burst)
    app = create_app(manifests, manifests.local_root / "other.sqlite", export_on_exit=False)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        response = Person(client, "anna").send("POST", "/api/queues/labels/hand", {"count": 1})
    assert response.status_code == 500
    assert response.json() == {"error": "internal error; see the log of the server"}


def test_a_full_disk_is_told_and_nothing_is_counted(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    import review_ui.store

    clip_id = anna.hand()[0]["clip_id"]
    body = {"decision_id": "a" * 16, "clip_id": clip_id, "answer": "none"}

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(review_ui.store, "_insert", full)
        response = anna.send("POST", "/api/decisions", body)
    assert response.status_code == 503
    assert "disk is full" in response.json()["error"]
    assert anna.get("/api/statistics")["done"] == 0
    assert anna.send("POST", "/api/decisions", body).json()["duplicate"] is False


def test_a_damaged_database_is_not_touched(manifests: Manifests, start: Callable[..., TestClient], db: Path) -> None:
    client = start()
    anna = Person(client, "anna")
    for item in anna.hand(8):
        anna.decide(item["clip_id"], "motion", note="x" * 400)
    client.__exit__(None, None, None)
    whole = db.read_bytes()
    for spoilt in (
        b"no database at all " * 400,
        whole[:5000] + b"\xff" * 6000 + whole[11000:],
        whole[: len(whole) // 2],
    ):
        for rest in db.parent.glob("decisions.sqlite-*"):
            rest.unlink()
        db.write_bytes(spoilt)
        with pytest.raises(UsageError, match=r"damaged .* and were not changed"):
            start()
        assert db.read_bytes() == spoilt


def test_a_foreign_database_is_not_touched(start: Callable[..., TestClient], db: Path) -> None:
    db.parent.mkdir()
    other = sqlite3.connect(db)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = db.read_bytes()
    with pytest.raises(UsageError, match="is not a database of reviews"):
        start()
    assert db.read_bytes() == before


def test_other_addresses_need_users(manifests: Manifests, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--users FILE.*hfv reviews add-user"):
        review(manifests, host="0.0.0.0")  # noqa: S104 - that is the point
    with pytest.raises(UsageError, match=r"cannot be read.*hfv reviews add-user"):
        review(manifests, users=tmp_path / "none.toml")


def test_exporting_nothing_says_so(manifests: Manifests) -> None:
    with pytest.raises(UsageError, match="there are no decisions yet"):
        export_reviews(manifests)


def test_users_come_in_with_their_tokens(start: Callable[..., TestClient], tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    tokens = {
        name: add_user(name, file, role=role).summary["token"]
        for name, role in (("anna", "reviewer"), ("Zoë B.", "adjudicator"))
    }
    assert file.stat().st_mode & 0o077 == 0
    assert all(token not in file.read_text() for token in tokens.values())
    with pytest.raises(UsageError, match="already has an entry for anna"):
        add_user("anna", file)
    client = start(users=read_users(file))
    for wrong in (None, "", "x", tokens["Zoë B."]):
        assert client.post("/api/session", json={"name": "anna", "token": wrong}).status_code == 401
    assert client.post("/api/session", json={"name": "nobody", "token": tokens["anna"]}).status_code == 401
    anna, zoe = (Person(client, name, token) for name, token in tokens.items())
    assert anna.send("GET", "/api/cases").status_code == 403
    own = {"Cookie": f"hfv_session={anna.cookie}"}
    assert client.get("/adjudicate", headers=own, follow_redirects=False).headers["location"] == "/"
    assert zoe.send("GET", "/api/cases").status_code == 200
    script = client.get("/api/me", headers={"Authorization": f"Bearer {tokens['anna']}"})
    assert script.json()["name"] == "anna"
    assert client.get("/api/me", headers={"Authorization": "Bearer no"}).status_code == 401
    assert anna.send("GET", "/api/me", Authorization="Basic eDp5").status_code == 200  # for a proxy in front
    # Whoever is struck off the list is out, cookie or not.
    users = read_users(file)
    del users["anna"]
    anna.client = start(users=users)
    assert anna.send("GET", "/api/me").status_code == 401


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no users"),
        ("[anna]\nrole = 'reviewer'", "has no token_sha256"),
        (f"[anna]\ntoken_sha256 = '{'0' * 64}'\nrole = 'boss'", "must be reviewer or adjudicator"),
        (f"['a:b']\ntoken_sha256 = '{'0' * 64}'\nrole = 'reviewer'", "is not a valid name"),
        ("[anna", "is not valid TOML"),
        (f"['anna ']\ntoken_sha256 = '{'0' * 64}'\nrole = 'reviewer'", "is not a valid name"),
    ],
)
def test_a_wrong_users_file_says_where(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "users.toml").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_users(tmp_path / "users.toml")


def test_a_user_is_added_to_a_file_whose_last_line_has_no_end(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    add_user("anna", file)
    file.write_text(file.read_text().rstrip())
    add_user("ben", file)
    assert [*read_users(file)] == ["anna", "ben"]


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "review.toml"
    file.write_text("overlap = 2\nshown = 0.2\n[queues.failed]\nblind = true\n")
    found = load_settings(file, overlap=3)
    assert (found.overlap, found.shown, found.blind("failed"), found.blind("labels")) == (3, 0.2, True, True)
    for text, sentence in (
        ("overlap = 0", "overlap"),
        ("shwon = 1", "shwon"),
        ("[queues.x]", "no queue 'x'"),
        ("queues = 5", "queues: input should be an object"),
        ("=", "not valid TOML"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=sentence):
            load_settings(file)


def test_the_readme_has_the_default_settings(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    shown = readme[readme.index("these are the defaults:") :].split("\n\n")[1]
    file = tmp_path / "review.toml"
    file.write_text(textwrap.dedent(shown))
    assert load_settings(file) == Settings()
    told = tomllib.loads(file.read_text())
    assert told.keys() == vars(Settings()).keys()


def test_names_of_servers() -> None:
    assert is_loopback("127.0.0.2")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")  # noqa: S104
    assert not is_loopback("192.168.1.4")
    assert "192.168.1.4" in names_of("192.168.1.4")
    assert hostname("[::1]:80") == "::1"
    assert NAME.fullmatch("O'Brien-2 Jr.")
