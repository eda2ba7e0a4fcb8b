"""SHA256SUMS, in the format of `sha256sum`."""

import hashlib
import re
from collections.abc import Mapping

FILE = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def checksums_text(sums: Mapping[str, str]) -> str:
    """Return the file's text: a line per file, sorted by path.

    Args:
        sums: SHA-256 in hex, by path relative to the release.
    """
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums))


def read_checksums(text: str) -> tuple[dict[str, str], list[int]]:
    """Return the checksums by path, and the numbers of the invalid lines."""
    sums: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        match = LINE.fullmatch(line)
        if match is None or match[2] in sums:
            wrong.append(number)
        else:
            sums[match[2]] = match[1]
    return sums, wrong


def sha256_of(content: str | bytes) -> str:
    """Return the SHA-256 of a file's content in hex."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
