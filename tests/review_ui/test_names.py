"""Names of clips and of reviewers in any script, and in any Unicode form."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.review import add_user
from review_ui.clips import Clips
from review_ui.users import UsersFile, read_users
from tests.review_ui.conftest import Person


def test_names_are_found_in_any_unicode_form(manifests: Manifests) -> None:
    rows = manifests.read(CLIPS, generator="beta")
    named = rows.set_column(rows.column_names.index("path"), "path", pa.array(["/clips/cafe\u0301.mp4"] * len(rows)))
    manifests.replace(CLIPS, [named], generator="beta")
    clips = Clips(manifests)
    of_beta = [clips.generators[at] == "beta" for at in clips.generator]
    assert list(clips.find("CAFÉ")) == list(clips.find("cafe\u0301")) == of_beta


def test_names_have_the_letters_of_any_script(start: Callable[..., TestClient], tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    names = {"प्रिया": "प्रिया", "สมชาย ใจดี": "สมชาย ใจดี", "Andre\u0301": "André", "Zoë": "Zoe\u0308"}
    tokens = {typed: add_user(name, file).summary["token"] for name, typed in names.items()}
    with pytest.raises(UsageError, match="already has an entry"):
        add_user("André", file)
    twice = tmp_path / "twice.toml"
    entry = f"token_sha256 = '{'0' * 64}'\nrole = 'reviewer'\n"
    twice.write_text("".join(f'["{name}"]\n{entry}' for name in ("André", "Andre\u0301")))
    with pytest.raises(UsageError, match="is there twice"):
        read_users(twice)
    client = start(users=UsersFile(file))
    known = [Person(client, typed, token).get("/api/me")["name"] for typed, token in tokens.items()]
    assert known == [unicodedata.normalize("NFC", name) for name in names]


@pytest.mark.parametrize("name", ["", " ", "\u0301a", "a" * 41, "a:b", "a\u200d"])
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a valid name"):
        add_user(name, tmp_path / "users.toml")
