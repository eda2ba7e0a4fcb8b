"""The users file: what takes away access while the server runs, and what cannot be meant."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.review import add_user, read_list
from review_ui.app import create_app
from review_ui.users import UsersFile, read_users
from tests.review_ui.conftest import Person


def test_the_last_user_whose_entry_is_deleted_has_no_access(start: Callable[..., TestClient], tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    token = add_user("anna", file).summary["token"]
    anna = Person(start(users=UsersFile(file)), "anna", token)
    file.write_text("\n")
    assert anna.send("GET", "/api/me").status_code == 401
    again = add_user("anna", file).summary["token"]
    assert Person(anna.client, "anna", token).entry.status_code == 401
    assert Person(anna.client, "anna", again).entry.status_code == 200


def test_who_is_no_adjudicator_any_more_undoes_no_final_label(start: Callable[..., TestClient], tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    token = add_user("zoe", file, role="adjudicator").summary["token"]
    zoe = Person(start(users=UsersFile(file)), "zoe", token)
    clip_id = zoe.hand(1)[0]["clip_id"]
    body = {"decision_id": "a" * 16, "clip_id": clip_id, "answer": "motion"}
    assert zoe.send("POST", "/api/adjudications", body).status_code == 200
    adjudicator = file.read_text()
    undo = {"decision_id": "b" * 16, "undoes": ["a" * 16]}
    file.write_text(adjudicator.replace('role = "adjudicator"', 'role = "reviewer"'))
    assert zoe.send("POST", "/api/undo", undo).status_code == 403
    file.write_text(adjudicator)
    assert zoe.send("POST", "/api/undo", undo).status_code == 200


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('generator = ["kling"]', r"\[ben\] has a field 'generator'; the fields are token_sha256, role"),
        ("", r"\[ben\] has the token of \[anna\]; delete the entry and make one"),
    ],
)
def test_entries_that_would_give_more_than_is_meant_are_refused(more: str, fault: str, tmp_path: Path) -> None:
    own = [f"[{name}]\ntoken_sha256 = '{'0' * 64}'\nrole = 'reviewer'\n" for name in ("anna", "ben")]
    (tmp_path / "users.toml").write_text("".join(own) + more)
    with pytest.raises(UsageError, match=fault):
        read_users(tmp_path / "users.toml")


def test_a_list_names_clips_of_the_manifests(
    manifests: Manifests, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text('"clip_id";"generator"\n"0123456789abcdef";"kling"\nfedcba9876543210\tpika\n')
    wanted = read_list(tmp_path / "list.csv")
    assert wanted == {"0123456789abcdef", "fedcba9876543210"}
    with pytest.raises(UsageError, match="no clip of the list is in"):
        create_app(manifests, tmp_path / "d.sqlite", only=wanted)
    clip_id = manifests.read(CLIPS, ["clip_id"])["clip_id"][0].as_py()
    with TestClient(create_app(manifests, tmp_path / "d.sqlite", only={*wanted, clip_id}, export_on_exit=False)):
        said = capsys.readouterr().err
    assert said.startswith("warning: 2 of the 3 entries of the list are no clips of ")
    assert said.endswith(", such as 0123456789abcdef\n")
