"""List a folder of clips: the files that are clips, and what the other files are."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from hfv_builder.clips.kinds import kind_by_content, kind_by_name
from hfv_builder.records import UsageError
from hfv_builder.storage.file_status import FileStatus
from hfv_builder.storage.folders import canonical, name_below, walk
from hfv_builder.storage.path_text import native, path_text, printable
from hfv_builder.storage.places import Place, answering, is_local, place, reach
from hfv_builder.storage.schema import STRING

READERS = 16
"""Threads that read the first bytes of files; they mostly wait for disks and object stores."""
TOGETHER = 256
"""Files per task of a thread."""
FETCHED = 1 << 16
"""Bytes per request to an object store."""
OTHER_SCHEMA = pa.schema({"file": STRING, "reason": STRING})

Files = dict[str, FileStatus]
"""Attributes of files by absolute path or URL."""


@dataclass(kw_only=True)
class Listing:
    """The files in a folder and below."""

    folder: str
    """The text of its path without links, see `path_text`, or its URL."""
    files: Files
    """Files that may be clips by their names, sorted by path."""
    others: pa.Table
    """Files that are passed over: `file` and `reason`."""
    denied: list[dict[str, str]]
    """Folders that could not be entered: `folder` and `reason`."""
    links: dict[str, str] = field(default_factory=dict)
    """Links to folders that were followed, by the path of their target."""

    def name(self, path: str) -> str | None:
        """Return the path of a file relative to the folder, through links if needed; None if it is not below it."""
        return name_below(path, self.folder, self.links)


def list_clips(folder: Place, manifests: Place | None = None) -> Listing:
    """Return the files in the folder and below that may be clips by their names, and those that are passed over.

    Hidden files are in neither list. Links to folders are followed; every folder is entered once.

    Args:
        folder: the folder of clips.
        manifests: the folder of manifests, whose files are passed over.

    Raises:
        UsageError: the folder does not exist or cannot be read.
    """
    if not reach(folder).is_dir():
        what = "is a file; give the folder that contains it" if folder.exists() else "does not exist; create it"
        raise UsageError(f"the clips folder {folder} {what}, or give another with --clips DIR (CLIPS=DIR)")
    real = canonical(folder)
    files: Files = {}
    others: list[tuple[str, str]] = []
    listing = Listing(folder=path_text(str(real)), files=files, others=as_others([]), denied=[])
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
                files[entry.path] = entry.status
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be read: {error.strerror or error}") from None
    listing.files, listing.others = dict(sorted(files.items())), as_others(others)
    return listing


def as_others(files: Iterable[tuple[str, str]]) -> pa.Table:
    """Return files that are passed over, with the reasons, as a sorted table, which needs less memory than a list."""
    rows = sorted(files)
    return pa.table([[path for path, _ in rows], [reason for _, reason in rows]], schema=OTHER_SCHEMA)


def sift(paths: Sequence[str]) -> tuple[list[str], pa.Table]:
    """Read the first bytes of files to separate clips from other files.

    Returns:
        The clips, in their order, and the other files.

    Raises:
        UsageError: the object store does not respond.
    """
    parts = [paths[start : start + TOGETHER] for start in range(0, len(paths), TOGETHER)]
    with ThreadPoolExecutor(READERS) as pool:
        kinds = [kind for batch in pool.map(lambda part: [*map(kind_of, part)], parts) for kind in batch]
    clips = [path for path, kind in zip(paths, kinds, strict=True) if not kind]
    return clips, as_others((path, kind) for path, kind in zip(paths, kinds, strict=True) if kind)


def kind_of(path: str) -> str:
    """Return what a file is by its name and content, such as `subtitles`; empty if it is a clip or cannot be read.

    Raises:
        UsageError: the object store does not respond.
    """
    name = os.path.basename(path)
    if kind := kind_by_name(name):
        return kind
    try:
        if is_local(path):
            with open(native(path), "rb") as file:
                return kind_by_content(name, file)
        where: Any = place(path)
        with answering(f"{where} cannot be read"), where.fs.open(where.path, "rb", block_size=FETCHED) as file:
            return kind_by_content(name, file)
    except OSError:
        return ""  # its row will have the reason


def counted(others: pa.Table) -> dict[str, int]:
    """Return how many files are passed over by reason, the most frequent first."""
    counts = Counter({count["values"]: count["counts"] for count in others["reason"].value_counts().to_pylist()})
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def no_clip(listing: Listing, others: pa.Table) -> UsageError:
    """Return the error for a folder without clips, which lists what the folder contains instead."""
    has = [f"{count} × {reason}" for reason, count in counted(others).items()]
    has += [f"{printable(row['folder'])}, which could not be entered ({row['reason']})" for row in listing.denied]
    contents = f"; it has {', '.join(has)}" if has else ""
    return UsageError(
        f"there is no clip in {printable(listing.folder)}{contents}; put the generator's video files there, or give "
        "another folder"
    )
