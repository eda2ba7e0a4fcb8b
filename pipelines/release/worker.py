"""What a worker does for a release: put the files of some clips in their places."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2

from hfv_builder.frames.facts import Probe
from hfv_builder.records import ClipError
from hfv_builder.release.media import Media, Placed
from hfv_builder.release.recipe import Recipe, make_files
from hfv_builder.release.uniform import LeftOut
from hfv_builder.storage.part_file import part_file
from hfv_builder.storage.places import blame_disks, local_copy, place
from pipelines.release.staging import DISKS, WORK, writing


@dataclass(frozen=True, kw_only=True)
class ClipFile:
    """A clip that goes into the release."""

    generator: str
    clip_id: str
    source: str
    """The catalogued path or URL."""
    sha256: str
    """Of the catalogued file."""
    paths: tuple[tuple[str, str], ...]
    """What goes into the release: the variant, empty for the clip itself, and its file relative to the release."""


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """The result for some clips."""

    placed: dict[str, Placed]
    """By path relative to the release."""
    errors: list[str]
    """What is wrong with others, a sentence each."""
    left_out: dict[str, str] = field(default_factory=dict)
    """By clip id: why the release goes on without the clip."""


def place_shard(clips: Sequence[ClipFile], *, recipe: Recipe, folder: Path, out: Path) -> ShardResult:
    """Put the files of some clips in their places, unless an earlier run has done so.

    Args:
        recipe: how they are made.
        folder: in which the release is made.
        out: the folder that a person knows it by.

    Raises:
        UsageError: the release cannot be written, or the clips' folder is out of reach.
    """
    key = json.dumps([asdict(recipe), [asdict(clip) for clip in clips]])
    journal = folder / WORK / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    if (known := _known(journal, folder)) is not None:
        return known
    cv2.setNumThreads(1)  # workers are the parallelism
    placed: dict[str, Placed] = {}
    left_out: dict[str, str] = {}
    errors = []
    for clip in clips:
        try:
            placed |= _place(clip, recipe, folder, out)
        except LeftOut as error:
            left_out[clip.clip_id] = str(error)
        except ClipError as error:
            errors.append(f"{clip.source}: {error}")
    if not errors:
        with writing(out), part_file(journal) as part:
            files = {path: asdict(each) for path, each in placed.items()}
            part.write_text(json.dumps({"placed": files, "left_out": left_out}), encoding="utf-8")
    return ShardResult(placed=placed, errors=errors, left_out=left_out)


def _place(clip: ClipFile, recipe: Recipe, folder: Path, out: Path) -> dict[str, Placed]:
    source = place(clip.source)
    try:
        with local_copy(source) as file:
            if not file.is_file():
                raise FileNotFoundError
            return make_files(file, dict(clip.paths), recipe, folder, expected=clip.sha256)
    except FileNotFoundError as error:
        blame_disks(source, error)
        raise ClipError(f"it is gone; run `hfv catalog --generator {clip.generator}` for its folder") from None
    except OSError as error:
        if error.errno in DISKS:
            with writing(out):
                raise
        raise ClipError((error.strerror or str(error)).lower()) from None


def _known(journal: Path, folder: Path) -> ShardResult | None:
    """Return what an earlier run put in place; None if not all of it is there, or some was written to since.

    A hard link changes with its source, and a run with other settings may have written the same paths.
    """
    try:
        known: dict[str, Any] = json.loads(journal.read_bytes())
        done_ns = journal.stat().st_mtime_ns
    except (FileNotFoundError, ValueError):
        return None
    found = {}
    for path, row in known["placed"].items():
        probe = row["probe"] and Probe(**row["probe"])
        found[path] = Placed(**(row | {"media": Media(row["media"]), "probe": probe}))
        target = folder / path
        if not target.is_file():
            return None
        facts = target.stat()
        if facts.st_size != found[path].bytes or facts.st_mtime_ns > done_ns:
            return None
    return ShardResult(placed=found, errors=[], left_out=known["left_out"])
