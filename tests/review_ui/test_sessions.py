"""Who is let in, for how long, and who is not any more."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import review_ui.sessions
import review_ui.users
from pipelines.review import add_user
from review_ui.sessions import IN_ALL, LIFE_S, PER_USER, SessionRow
from review_ui.store import DecisionLog
from review_ui.users import UsersFile, read_users
from tests.review_ui.browser import until
from tests.review_ui.conftest import Person


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A users file with anna, a reviewer, and zoe, an adjudicator."""
    file = tmp_path / "users.toml"
    add_user("anna", file)
    add_user("zoe", file, role="adjudicator")
    return file


def renew(file: Path, name: str, role: str = "reviewer") -> str:
    """Give a user another token, as an administrator does; the token."""
    text = "".join(part for part in file.read_text().split("\n\n") if part and not part.startswith(f'["{name}"]'))
    file.write_text(text + "\n\n" if text else "")
    return str(add_user(name, file, role=role).summary["token"])


def status(person: Person, path: str = "/api/me") -> int:
    return int(person.send("GET", path).status_code)


def stored(db: Path) -> int:
    """The number of sessions in the database."""
    with closing(sqlite3.connect(db)) as connection:
        return len(connection.execute("SELECT 1 FROM sessions").fetchall())


class Clock:
    """A clock that tests put forward and back."""

    ahead = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, now = Clock(), time.time
    monkeypatch.setattr(time, "time", lambda: now() + clock.ahead)
    return clock


def restart(start: Callable[..., TestClient], *people: Person, **settings: Any) -> TestClient:
    """Another server on the same database; these people come with the cookies that they have."""
    people[0].client.__exit__(None, None, None)
    client = start(**settings)
    for person in people:
        person.client = client
    return client


def test_another_token_ends_the_sessions_of_the_old_one_at_once(start: Callable[..., TestClient], users: Path) -> None:
    old = renew(users, "anna")
    client = start(users=UsersFile(users))
    anna, second = Person(client, "anna", old), Person(client, "anna", old)
    zoe = Person(client, "zoe", renew(users, "zoe", "adjudicator"))
    assert [status(person) for person in (anna, second, zoe)] == [200, 200, 200]
    new = renew(users, "anna")
    assert [status(person) for person in (anna, second, zoe)] == [401, 401, 200]
    assert Person(client, "anna", old).entry.status_code == 401
    assert client.get("/api/me", headers={"Authorization": f"Bearer {old}"}).status_code == 401
    again = Person(client, "anna", new)
    assert [status(again), status(anna)] == [200, 401]
    # Neither does a restart bring them back.
    restart(start, zoe, anna, again, users=UsersFile(users))
    assert [status(person) for person in (anna, zoe, again)] == [401, 200, 200]


def test_the_token_that_comes_back_does_not_bring_its_sessions_back(
    start: Callable[..., TestClient], users: Path
) -> None:
    token = renew(users, "anna")
    before = users.read_text()
    client = start(users=UsersFile(users))
    anna = Person(client, "anna", token)
    renew(users, "anna")
    assert client.get("/api/me", headers={"Cookie": "hfv_session=x"}).status_code == 401  # anybody's request is enough
    users.write_text(before)
    assert status(anna) == 401
    assert status(Person(client, "anna", token)) == 200


def test_removed_users_and_changed_roles_take_effect_at_once(start: Callable[..., TestClient], users: Path) -> None:
    token = renew(users, "anna")
    client = start(users=UsersFile(users))
    anna = Person(client, "anna", token)
    assert status(anna, "/api/cases") == 403
    users.write_text(users.read_text().replace('role = "reviewer"', 'role = "adjudicator"'))
    assert status(anna, "/api/cases") == 200
    assert anna.get("/api/me")["role"] == "adjudicator"
    users.write_text(users.read_text().replace('role = "adjudicator"', 'role = "reviewer"'))
    assert status(anna, "/api/cases") == 403
    clip = anna.hand()[0]["clip_id"]
    users.write_text(users.read_text().replace('"anna"', '"anne"'))
    assert anna.send("GET", f"/media/{clip}.mp4").status_code == 401
    assert anna.send("POST", "/api/queues/labels/hand", {"count": 1}).status_code == 401
    page = client.get("/review", headers={"Cookie": f"hfv_session={anna.cookie}"}, follow_redirects=False)
    assert page.headers["location"] == "/enter"


def test_sessions_of_one_mode_are_none_in_the_other(start: Callable[..., TestClient], users: Path) -> None:
    anna = Person(start(), "anna")
    zoe = Person(anna.client, "zoe")
    assert status(zoe, "/api/cases") == 200
    restart(start, anna, zoe, users=UsersFile(users))
    assert [status(anna), status(zoe)] == [401, 401]
    zoe = Person(anna.client, "zoe", renew(users, "zoe", "adjudicator"))
    assert status(zoe) == 200
    restart(start, zoe, anna)
    assert [status(anna), status(zoe)] == [401, 401]


def test_a_restart_with_another_file_knows_its_own_users_only(
    start: Callable[..., TestClient], users: Path, tmp_path: Path
) -> None:
    anna = Person(start(users=UsersFile(users)), "anna", renew(users, "anna"))
    assert status(anna) == 200
    other = tmp_path / "other.toml"
    add_user("anna", other)
    restart(start, anna, users=UsersFile(other))
    assert status(anna) == 401
    restart(start, anna, users=read_users(users))
    assert status(anna) == 401


def test_thirty_days_without_use_end_a_session(start: Callable[..., TestClient], clock: Clock) -> None:
    client = start()
    anna, ben = Person(client, "anna"), Person(client, "ben")
    for _ in range(4):  # used now and then, it lasts longer than thirty days
        clock.ahead += LIFE_S * 0.4
        assert status(anna) == 200
    assert status(ben) == 401
    restart(start, anna, ben)
    clock.ahead += LIFE_S * 0.9
    assert [status(anna), status(ben)] == [200, 401]
    restart(start, anna)
    clock.ahead += LIFE_S + 1
    assert status(anna) == 401
    restart(start, anna)
    assert status(anna) == 401


def test_the_server_and_not_the_cookie_counts_the_days(
    start: Callable[..., TestClient], clock: Clock, db: Path
) -> None:
    anna = Person(start(), "anna")
    clock.ahead = LIFE_S + 1
    restart(start, anna)
    assert status(anna) == 401
    until(lambda: stored(db) == 0)  # nobody waits for it


def test_a_clock_that_was_wrong_makes_no_session_last_for_ever(start: Callable[..., TestClient], clock: Clock) -> None:
    clock.ahead = 5 * 365 * 86400
    client = start()
    anna, ben = Person(client, "anna"), Person(client, "ben")
    clock.ahead = 0
    assert status(anna) == 200  # put back: nobody is sent away
    restart(start, anna, ben)  # neither of these is used again
    clock.ahead = LIFE_S + 10
    assert [status(anna), status(ben)] == [401, 401]


def test_one_user_has_so_many_sessions(start: Callable[..., TestClient], users: Path, clock: Clock, db: Path) -> None:
    token = renew(users, "anna")
    client = start(users=UsersFile(users))
    zoe = Person(client, "zoe", renew(users, "zoe", "adjudicator"))
    annas = []
    for number in range(PER_USER + 5):
        annas.append(Person(client, "anna", token))
        clock.ahead += number % 3  # some in the same second
    assert [status(person) for person in annas] == [401] * 5 + [200] * PER_USER
    assert status(zoe) == 200
    until(lambda: stored(db) == PER_USER + 1)  # nobody waits for it


def test_names_made_up_do_not_fill_the_disk(
    start: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    assert IN_ALL <= 10_000
    monkeypatch.setattr(review_ui.sessions, "IN_ALL", 30)
    client = start()
    people = []
    for number in range(40):
        people.append(Person(client, f"name {number}"))
        clock.ahead += 1
    assert [status(person) for person in people] == [401] * 10 + [200] * 30


@pytest.mark.parametrize("text", ["", "[anna", "x = 1", "[anna]\nrole = 'boss'", None, "a = " + "[" * 5000])
def test_a_broken_users_file_changes_nothing_and_the_log_says_so(
    start: Callable[..., TestClient], users: Path, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    token = renew(users, "anna")
    before = users.read_text()
    client = start(users=UsersFile(users))
    anna = Person(client, "anna", token)
    with caplog.at_level(logging.WARNING):
        users.write_text(text) if text is not None else users.unlink()
        assert [status(anna) for _ in range(5)] == [200] * 5
        assert status(Person(client, "anna", token)) == 200
    assert len(caplog.messages) == 1
    assert str(users) in caplog.messages[0]
    assert "stay valid" in caplog.messages[0]
    users.write_text(before.replace('"anna"', '"anne"'))
    assert status(anna) == 401


def test_a_change_of_equal_size_in_the_same_moment_is_seen(
    start: Callable[..., TestClient], users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = renew(users, "anna")
    client = start(users=UsersFile(users))
    anna = Person(client, "anna", token)
    at = users.stat().st_mtime_ns
    text = users.read_text()
    hashed = review_ui.users.hashed(token)
    with users.open("r+") as file:
        file.write(text.replace(hashed, hashed[::-1]))
    os.utime(users, ns=(at, at))
    assert status(anna) == 401


def test_looking_at_the_users_file_costs_next_to_nothing(users: Path) -> None:
    old = time.time() - 3600
    os.utime(users, (old, old))
    file = UsersFile(users)
    began = time.perf_counter()
    for _ in range(2000):
        file.current()
    assert (time.perf_counter() - began) / 2000 < 0.0005


def test_sessions_of_older_databases_have_ended(
    start: Callable[..., TestClient], caplog: pytest.LogCaptureFixture, db: Path
) -> None:
    anna = Person(start(), "anna")
    made = anna.decide(anna.hand()[0]["clip_id"], "motion")
    anna.client.__exit__(None, None, None)
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.executescript(
            "DROP TABLE sessions; CREATE TABLE sessions (token_hash TEXT PRIMARY KEY, name TEXT NOT NULL,"
            " role TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;"
        )
        key = review_ui.users.hashed(str(anna.cookie))
        connection.execute("INSERT INTO sessions VALUES (?, 'anna', 'adjudicator', 1)", [key])
    with caplog.at_level(logging.WARNING):
        anna.client = start()
    assert status(anna) == 401
    assert "sign in again" in caplog.text
    assert made in Person(anna.client, "anna").send("GET", "/api/reviews.csv").text


def test_leaving_is_for_good(start: Callable[..., TestClient]) -> None:
    anna = Person(start(), "anna")
    assert anna.send("DELETE", "/api/session").status_code == 204
    assert status(anna) == 401
    restart(start, anna)
    assert status(anna) == 401


def test_rows_are_what_was_stored(tmp_path: Path) -> None:
    store = DecisionLog(tmp_path / "d.sqlite")
    row = SessionRow(key="k", name="anna", bound="b", created_at=1, used_at=2)
    store.put_session(row).result()
    assert store.sessions() == [row]
    store.drop_sessions(["k"]).result()
    assert store.sessions() == []
    store.close()


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, "é"])
def test_no_session_is_no_fault(start: Callable[..., TestClient], cookie: str) -> None:
    client = start()
    headers = {"Cookie": f"hfv_session={cookie}".encode()}
    assert client.get("/api/me", headers=headers).status_code == 401  # type: ignore[arg-type]
    page = client.get("/", headers=headers, follow_redirects=False)  # type: ignore[arg-type]
    assert page.headers["location"] == "/enter"
