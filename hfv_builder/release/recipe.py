"""How the files of a clip are made, and the making: one source file, one or several files in the release."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hfv_builder.frames.video import frames
from hfv_builder.release.encoding import Encoding, Uniform
from hfv_builder.release.media import Media, Placed, check, made, place_original
from hfv_builder.release.operations import VARIANTS
from hfv_builder.release.outputs import Output, encode

VERSION = 1
"""Changes whenever the same clip and recipe would give other bytes."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How files are made."""

    uniform: Uniform | None = None
    """What every clip becomes; None keeps the catalogued file."""
    variants: Encoding
    """How variants are encoded."""
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
        LeftOut: the clip cannot be made uniform.
        ClipError: the file is not the catalogued one any more, or cannot be decoded.
        OSError: the source cannot be read or a file cannot be written.
    """
    placed: dict[str, Placed] = {}
    new = {variant: path for variant, path in paths.items() if variant or recipe.uniform}
    if new:
        check(source, expected)
        encode(source, [_output(variant, folder / path, recipe) for variant, path in new.items()], recipe.uniform)
        shape = next((frame.shape for frame in frames(source)), 1.0) if recipe.uniform else 1.0
        placed = {path: replace(made(folder / path, _media(variant)), shape=shape) for variant, path in new.items()}
    for path in paths.values():
        if path not in placed:
            placed[path] = place_original(source, folder / path, expected=expected)
    return placed


def _output(variant: str, path: Path, recipe: Recipe) -> Output:
    encoding = recipe.variants if variant or recipe.uniform is None else recipe.uniform
    return Output(path=path, encoding=encoding, operations=VARIANTS.get(variant, ()))


def _media(variant: str) -> Media:
    return Media.VARIANT if variant else Media.UNIFORM
