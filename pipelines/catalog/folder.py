"""A folder of clips: which of its files are clips, and what the others are."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from hfv_builder.clips.kinds import kind_by_content, kind_by_name
from hfv_builder.records import UsageError
from hfv_builder.storage.folders import canonical, name_below, walk
from hfv_builder.storage.path_text import path_text, printable
from hfv_builder.storage.places import FileStatus, Place, answering, place, reach
from hfv_builder.storage.schema import STRING

READERS = 16
"""Files that are looked into at one time: most of it is waiting for disks and stores."""
TOGETHER = 256
"""Files that one task looks into."""
FETCHED = 1 << 16
"""Bytes of a file in a store that are fetched at one time."""
OTHER_SCHEMA = pa.schema({"file": STRING, "reason": STRING})

Found = dict[str, FileStatus]
"""Files by absolute path or URL."""


@dataclass(kw_only=True)
class Listing:
    """What is in a folder and below."""

    folder: str
    """The text of its path without links, see `path_text`, or its URL."""
    files: Found
    """Files whose names may be those of clips, sorted by path."""
    others: pa.Table
    """What is passed over: `file` and `reason`."""
    denied: list[dict[str, str]]
    """Folders that could not be entered: `folder` and `reason`."""
    links: dict[str, str] = field(default_factory=dict)
    """Links to folders that were followed, by the path of the folder they lead to."""

    def name(self, path: str) -> str | None:
        """Return the name of a file below the folder, through the links that lead to it; None if it is elsewhere."""
        return name_below(path, self.folder, self.links)


def list_clips(folder: Place, manifests: Place | None = None) -> Listing:
    """List the files in the folder and below whose names may be those of clips, and what is passed over.

    Hidden files are neither. Links are followed, each folder once.

    Args:
        manifests: where manifests are; what they hold is passed over.

    Raises:
        UsageError: there is no such folder, or it cannot be read.
    """
    if not reach(folder).is_dir():
        what = "is a file, no folder; name the folder that holds it" if folder.exists() else "is not there; make it"
        raise UsageError(f"the clips folder {folder} {what}, or name another with --clips DIR (CLIPS=DIR)")
    real = canonical(folder)
    found: Found = {}
    others: list[tuple[str, str]] = []
    listing = Listing(folder=path_text(str(real)), files=found, others=as_others([]), denied=[])
    try:
        for entry in walk(real, manifests if manifests is None else canonical(manifests)):
            if entry.denied:
                listing.denied.append({"folder": entry.path, "reason": entry.denied})
            elif entry.link:
                listing.links[entry.path] = entry.link
            elif entry.status is None:
                others.append((entry.path, entry.why))
            elif kind := kind_by_name(os.path.basename(entry.path)):
                others.append((entry.path, kind))
            else:
                found[entry.path] = entry.status
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be read: {error.strerror or error}") from None
    listing.files, listing.others = dict(sorted(found.items())), as_others(others)
    return listing


def as_others(found: Iterable[tuple[str, str]]) -> pa.Table:
    """Return files and the reasons why they are passed over as a table, sorted: of a million every byte counts."""
    rows = sorted(found)
    return pa.table([[path for path, _ in rows], [reason for _, reason in rows]], schema=OTHER_SCHEMA)


def sift(paths: Sequence[str]) -> tuple[list[str], pa.Table]:
    """Look into files whose names leave open what they are.

    Returns:
        Those that are clips, in their order, and the others.

    Raises:
        UsageError: their store does not answer.
    """
    parts = [paths[at : at + TOGETHER] for at in range(0, len(paths), TOGETHER)]
    with ThreadPoolExecutor(READERS) as pool:
        kinds = [kind for some in pool.map(lambda part: [*map(kind_of, part)], parts) for kind in some]
    clips = [path for path, kind in zip(paths, kinds, strict=True) if not kind]
    return clips, as_others((path, kind) for path, kind in zip(paths, kinds, strict=True) if kind)


def kind_of(path: str) -> str:
    """Return what a file is by its name and content, such as `subtitles`; empty if it is a clip or cannot be read.

    Raises:
        UsageError: its store does not answer.
    """
    name = os.path.basename(path)
    if kind := kind_by_name(name):
        return kind
    where = place(path)
    try:
        if isinstance(where, Path):
            with where.open("rb") as file:
                return kind_by_content(name, file)
        with answering(f"{where} cannot be read"), where.fs.open(where.path, "rb", block_size=FETCHED) as file:
            return kind_by_content(name, file)
    except OSError:
        return ""  # its row says why


def counted(others: pa.Table) -> dict[str, int]:
    """Return how many files are passed over for each reason, the commonest first."""
    counts = Counter({each["values"]: each["counts"] for each in others["reason"].value_counts().to_pylist()})
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def no_clip(listing: Listing, others: pa.Table) -> UsageError:
    """Return the sentence for a folder without clips: what it has instead."""
    has = [f"{count} × {reason}" for reason, count in counted(others).items()]
    has += [f"{printable(each['folder'])} that could not be entered ({each['reason']})" for each in listing.denied]
    besides = f"; it has {', '.join(has)}" if has else ""
    return UsageError(
        f"there is no clip in {printable(listing.folder)}{besides}; put the generator's video files there, or name "
        "another folder"
    )
