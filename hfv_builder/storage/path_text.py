"""Convert paths to text and back, for paths of any bytes and in any locale.

The text of a path whose bytes are valid UTF-8 is the path itself. The text of any other path is a `file://` URL with
percent-encoded bytes such as `%E9`, which differs from every absolute path.
"""

import os
import sys
import unicodedata
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote, unquote_to_bytes

FILE = "file://"
UTF_8 = sys.getfilesystemencoding() == "utf-8"
MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the surrounding text."""


def path_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a path; URLs and other ASCII strings are returned unchanged."""
    name = os.fspath(path)
    if name.isascii():
        return name
    data = os.fsencode(name)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return FILE + quote_from_bytes(os.path.abspath(data))


def path_of(text: str) -> Path:
    """Return the path with this text, in the form in which this process can open it."""
    return Path(native(text))


def native(text: str) -> str:
    """Return the path with this text as `path_of` does, as a string.

    For millions of paths: Python 3.12 never frees the memory of names that were part of a `Path`.
    """
    if text.startswith(FILE):
        return os.fsdecode(unquote_to_bytes(text.removeprefix(FILE)))
    return text if UTF_8 or text.isascii() else os.fsdecode(text.encode(errors="surrogateescape"))


def file_name(text: str) -> str:
    """Return the name of the file with this text; percent-encoded if it is not valid UTF-8."""
    name = text.rpartition("/")[2]
    try:
        return unquote(name, errors="strict") if text.startswith(FILE) else name
    except UnicodeDecodeError:
        return name


def printable(text: str, keep: str = "") -> str:
    """Return the text with all characters escaped that would control a terminal, such as ESC or a newline.

    These are control characters, line and paragraph separators, direction marks and lone surrogates.

    Args:
        text: the text.
        keep: characters that are not escaped.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in keep or not _is_control(char) else char.encode("unicode_escape").decode() for char in text
    )


def _is_control(char: str) -> bool:
    return char in MARKS or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
