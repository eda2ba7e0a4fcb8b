"""Paths of any bytes become text and back."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.storage import path_text as module
from hfv_builder.storage.path_text import file_name, path_of, path_text, printable
from hfv_builder.storage.places import place


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_every_name_is_restored(name: bytes) -> None:
    path = os.fsdecode(b"/clips/" + name)
    text = path_text(path)
    text.encode()  # a table can store it
    assert os.fsencode(path_of(text)) == os.fsencode(Path(path))
    assert place(text) == Path(path)


@given(st.sets(st.binary(min_size=1, max_size=6).filter(lambda name: not {*b"\0/"} & {*name}), min_size=2, max_size=9))
def test_different_names_have_different_texts(names: set[bytes]) -> None:
    assert len({path_text(os.fsdecode(b"/clips/" + name)) for name in names}) == len(names)


@pytest.mark.parametrize("text", ["s3://bucket/a%20b.mp4", "/clips/a.mp4", "clips/a.mp4", "/clips/back\\slash.mp4", ""])
def test_plain_text_is_unchanged(text: str) -> None:
    assert path_text(text) == text


def test_texts_are_the_same_in_another_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python holds a name differently in such a locale; its text is the same."""
    monkeypatch.setattr(module, "UTF_8", False)
    monkeypatch.setattr(os, "fsencode", lambda path: os.fspath(path).encode("latin-1"))
    monkeypatch.setattr(os, "fsdecode", lambda data: data.decode("latin-1"))
    in_latin_1 = "/clips/caf\u00c3\u00a9.mp4"
    assert path_text(in_latin_1) == "/clips/caf\u00e9.mp4"
    assert str(path_of("/clips/caf\u00e9.mp4")) == in_latin_1
    assert str(path_of(path_text("/clips/caf\u00e9.mp4"))) == "/clips/caf\u00e9.mp4"  # one byte, no UTF-8


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain.mp4", "plain.mp4"),
        ("\u65e5\u672c\u8a9e \U0001f600.mp4", "\u65e5\u672c\u8a9e \U0001f600.mp4"),
        ("esc\x1b[31mred.mp4", "esc\\x1b[31mred.mp4"),
        ("new\nline\tand\rmore", "new\\nline\\tand\\rmore"),
        ("c1\x9b31m", "c1\\x9b31m"),
        ("rtl-\u202egpj.mp4", "rtl-\\u202egpj.mp4"),
        ("half\udce9", "half\\udce9"),
        ("line\u2028sep", "line\\u2028sep"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_line_breaks_can_be_kept() -> None:
    assert printable("one\ntwo\x1b", keep="\n") == "one\ntwo\\x1b"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/clips/a%20b.mp4", "a%20b.mp4"),
        ("file:///caf%E9/a%20b.mp4", "a b.mp4"),
        ("file:///clips/caf%E9.mp4", "caf%E9.mp4"),
        ("s3://bucket/a%20b.mp4", "a%20b.mp4"),
    ],
)
def test_the_name_of_a_file_is_that_on_the_disk(text: str, name: str) -> None:
    assert file_name(text) == name
