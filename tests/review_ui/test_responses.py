"""What everybody may read of the server's responses, and what its log and its files tell others."""

import csv
import io
import logging
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import uvicorn
from fastapi.testclient import TestClient

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.review import add_user, review
from review_ui.desk import Desk
from review_ui.store import DecisionLog
from review_ui.users import UsersFile
from tests.review_ui.conftest import Person

HTML = {"Accept": "text/html,application/xhtml+xml"}


def test_an_internal_error_carries_the_security_headers(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(Desk, "item", burst)
    response = anna.send("POST", "/api/queues/labels/hand", {"count": 1})
    assert response.status_code == 500
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "secret" not in response.text


def test_a_person_gets_a_page_for_an_unknown_address_and_a_program_json(guest: Person) -> None:
    for path in ("/nothing", "/review/2", "/static/none.js"):
        page = guest.send("GET", path, **HTML)
        assert page.status_code == 404
        assert "There is no such page" in page.text
        assert "text/html" in page.headers["content-type"]
        assert "anna" in page.text
        assert guest.send("GET", path).json() == {"error": "not found"}
    stranger = guest.client.get("/nothing", headers=HTML)
    assert 'href="/enter"' in stranger.text
    assert "Queues" not in stranger.text


def test_the_description_of_the_api_needs_a_session(guest: Person) -> None:
    assert guest.client.get("/api/openapi.json").status_code == 401
    assert "/api/decisions" in guest.get("/api/openapi.json")["paths"]


@pytest.mark.parametrize("length", [0, 1, 199, 201, 4000])
def test_any_cookie_is_read_and_refused_as_one_that_is_not_known(door: TestClient, length: int) -> None:
    assert door.get("/api/me", headers={"Cookie": f"hfv_session={'x' * length}"}).status_code == 401


def test_failed_sign_ins_are_logged_without_the_token(
    start: Callable[..., TestClient], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "users.toml"
    add_user("anna", file)
    client = start(users=UsersFile(file))
    with caplog.at_level(logging.WARNING):
        for name in ("anna", "nobody\n2026 fake line"[:14]):
            client.post("/api/session", json={"name": name, "token": "a-secret"})
        client.get("/api/me", headers={"Authorization": "Bearer a-secret"})
    assert len(caplog.messages) == 2  # a name with a newline is no name
    assert "'anna' from testclient" in caplog.messages[0]
    assert "bearer" in caplog.messages[1]
    assert "a-secret" not in caplog.text


NOTES = ("=1+1", "+1", "-1", "@x", "\uff1d1", "fine = good", "'quoted'")


def test_no_text_in_the_csv_begins_as_a_formula_and_parquet_keeps_it(anna: Person) -> None:
    for item, note in zip(anna.hand(8), NOTES, strict=False):
        anna.decide(item["clip_id"], "motion", note=note)
    rows = list(csv.DictReader(io.StringIO(anna.send("GET", "/api/reviews.csv").text)))
    assert [row["note"] for row in rows] == [*(f"'{note}" for note in NOTES[:5]), *NOTES[5:]]
    assert {row["reviewer"] for row in rows} == {"anna"}
    whole = pa.parquet.read_table(io.BytesIO(anna.send("GET", "/api/reviews.parquet").content))
    assert whole["note"].to_pylist() == list(NOTES)


@pytest.mark.parametrize("control", ["\x00", "\x1b", "\x7f", "\x85", "\x9b", "\u2028"])
def test_notes_have_no_control_characters(anna: Person, control: str) -> None:
    body = {"decision_id": "a" * 16, "clip_id": anna.hand()[0]["clip_id"], "answer": "none", "note": f"a{control}b"}
    assert anna.send("POST", "/api/decisions", body).status_code == 422
    assert anna.send("POST", "/api/decisions", body | {"note": "a\tb"}).status_code == 200


def test_only_the_owner_and_the_group_may_read_the_decisions(tmp_path: Path) -> None:
    new, old = tmp_path / "new.sqlite", tmp_path / "old.sqlite"
    mask = os.umask(0)
    try:
        DecisionLog(old).close()
        old.chmod(0o664)
        for path in (new, old):
            DecisionLog(path).close()
    finally:
        os.umask(mask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (new, old)] == [0o600, 0o660]


def test_one_server_for_a_database(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: Manifests
) -> None:
    db, link = tmp_path / "shared.sqlite", tmp_path / "link.sqlite"
    db.touch()
    link.symlink_to(db)
    refusals: list[str] = []

    def run(_: uvicorn.Server) -> None:
        with pytest.raises(UsageError) as refused:
            review(Manifests(shutil.copytree(sample.local_root, tmp_path / "others")), db=link)
        refusals.append(str(refused.value))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    review(manifests, db=db)
    assert "another hfv is at work on shared.sqlite" in refusals[0]


def test_a_locked_database_is_told_within_two_seconds(anna: Person, db: Path) -> None:
    clip_id = anna.hand()[0]["clip_id"]
    body = {"decision_id": "a" * 16, "clip_id": clip_id, "answer": "none"}
    other = sqlite3.connect(db, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    response = anna.send("POST", "/api/decisions", body)
    assert response.status_code == 503
    assert response.elapsed.total_seconds() < 3
    other.execute("ROLLBACK")
    other.close()
    assert anna.send("POST", "/api/decisions", body).status_code == 200


@pytest.mark.parametrize("path", ["http://127.0.0.1:1/a.mp4", "https://example.org/a.mp4", "ftp://h/a", "sftp://h/a"])
def test_no_other_server_is_asked_for_a_clip(
    manifests: Manifests, start: Callable[..., TestClient], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, Any]] = manifests.read(CLIPS, generator="alpha").to_pylist()
    changed = [row | {"path": path} for row in rows]
    manifests.replace(CLIPS, [pa.Table.from_pylist(changed, schema=CLIPS.schema)], generator="alpha")
    anna = Person(start(), "anna")
    monkeypatch.setattr("upath.UPath.__new__", lambda *_, **__: pytest.fail("a store was opened"))
    response = anna.send("GET", f"/media/{rows[0]['clip_id']}.mp4")
    assert response.status_code == 409
    assert "clips are not read by" in response.json()["error"]


def test_servers_on_two_ports_of_a_host_have_cookies_of_their_own(door: TestClient) -> None:
    hosts = {f"127.0.0.1:{port}": f"hfv_session_{port}" for port in (8000, 8001)} | {"[::1]": "hfv_session"}
    for host, name in hosts.items():
        entry = door.post("/api/session", json={"name": "ben"}, headers={"Host": host})
        cookie = {"Cookie": f"{name}={entry.cookies[name]}"}
        statuses = [door.get("/api/me", headers=cookie | {"Host": other}).status_code for other in hosts]
        assert statuses == [200 if other == host else 401 for other in hosts]
        assert name in door.delete("/api/session", headers=cookie | {"Host": host}).headers["set-cookie"]
        door.cookies.clear()
