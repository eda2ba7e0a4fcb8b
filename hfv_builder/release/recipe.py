"""How the files of a clip are made, and the making: one source file, one or several files in the release."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hfv_builder.release.media import Media, Placed, place_original

VERSION = 1
"""Changes whenever the same clip and recipe would give other bytes."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How files are made."""

    media: str = Media.ORIGINAL.value
    version: int = VERSION


def make_files(
    source: Path, paths: Mapping[str, str], recipe: Recipe, folder: Path, *, expected: str
) -> dict[str, Placed]:
    """Make the files of one clip.

    Args:
        source: the catalogued file.
        paths: the files to make, relative to the release, by variant; the clip itself is the one without a name.
        recipe: how.
        folder: of the release.
        expected: the SHA-256 that the catalogue gives, in hex.

    Returns:
        What was made, by path.

    Raises:
        ClipError: the file is not the catalogued one any more, or cannot be decoded.
        OSError: the source cannot be read or a file cannot be written.
    """
    return {path: place_original(source, folder / path, expected=expected) for path in paths.values()}
