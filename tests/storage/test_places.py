"""Places do not depend on the working folder, and errors of the project are not reported as errors of a store."""

import os
from pathlib import Path

import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.places import answering, place, typed_place


def test_a_local_place_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("manifests", "link"):
        assert place(name) == place(f"file://{name}") == place(f"{tmp_path}/{name}") == tmp_path / name


def test_other_errors_are_not_reported_as_errors_of_the_store() -> None:
    with pytest.raises(ValueError, match="ours"), answering("it cannot be read"):
        raise ValueError("ours")


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:9/a.mp4", "https://host/a", "zip://a::s3://b/c", "s3://b::c", "s3://a::http://b/c"]
)
def test_a_web_address_is_no_place(text: str) -> None:
    with pytest.raises(UsageError, match=r"it is a chain of URLs; copy|is not an object store; copy the files"):
        place(text)


def test_a_file_url_is_a_path_of_any_bytes() -> None:
    assert place("file:///clips/a%20b%FF.mp4") == Path(os.fsdecode(b"/clips/a b\xff.mp4"))


def test_repeated_slashes_count_only_in_the_paths_of_listed_objects() -> None:
    assert str(typed_place("memory://b//c///d.mp4")) == "memory://b/c/d.mp4"
    assert str(place("memory://b/c//d.mp4")) == "memory://b/c//d.mp4"
