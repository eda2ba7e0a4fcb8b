"""Names of files as text: one text for every path of this machine, whatever bytes it is made of, and back.

A path is bytes. Where these are UTF-8, its text is the path as people write it, whatever the locale of the process.
Where they are not, its text is a `file://` URL with the bytes as `%E9`, which no absolute path can be mistaken for.
"""

import os
import sys
import unicodedata
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

FILE = "file://"
UTF_8 = sys.getfilesystemencoding() == "utf-8"
MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the text around them."""


def path_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a path as this process holds it; URLs and other ASCII text come back as they are."""
    name = os.fspath(path)
    if name.isascii():
        return name
    data = os.fsencode(name)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return FILE + quote_from_bytes(os.path.abspath(data))


def path_of(text: str) -> Path:
    """Return the path that has this text, as this process can open it."""
    if text.startswith(FILE):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(FILE))))
    return Path(text) if UTF_8 or text.isascii() else Path(os.fsdecode(text.encode(errors="surrogateescape")))


def printable(text: str, keep: str = "") -> str:
    """Return the text with what would steer a terminal written as an escape, such as ESC or a newline.

    Escaped are control characters, ends of lines, marks of direction, and halves of characters.

    Args:
        keep: characters that stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in keep or not _steers(char) else char.encode("unicode_escape").decode() for char in text
    )


def _steers(char: str) -> bool:
    return char in MARKS or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
