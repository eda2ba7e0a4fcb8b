"""Folders: every file below one, by one name however it is reached."""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hfv_builder.storage.path_text import path_text
from hfv_builder.storage.places import FileStatus, Place, answering, status_in_store, status_of

if TYPE_CHECKING:
    from upath import UPath

BROKEN_LINK = "broken link"
ANNEX_LINK = "git-annex link without its file (run `git annex get`)"
SAME_FILE = "link to a file that is listed"
ABOVE = "link to a folder above"
NO_FILE = "no regular file"
MANIFESTS = "manifests of hfv"
LEFTOVER = "leftover of another program"
PROGRAM_FOLDERS = frozenset({"@eadir", "#recycle", "__macosx", "$recycle.bin", "system volume information"})
"""Folders that other programs keep for themselves, in lower case."""


MADE = ("review", "evidence")
"""Folders of manifests that hold media."""


class Entry(NamedTuple):
    """Something in a folder."""

    path: str
    """The text of its absolute path, see `path_text`, or its URL."""
    status: FileStatus | None = None
    """What is known of the file; None if there is none to read."""
    why: str = ""
    """Why it is no file to read, if that is so."""
    denied: str = ""
    """Why this folder could not be entered, if that is so."""
    link: str = ""
    """The path of the link by which this folder was entered, if it was by one."""


def walk(folder: Place, manifests: Place | None = None) -> Iterator[Entry]:
    """List all that is not hidden, in the folder and below.

    Links to folders are followed, each folder is entered once, and what is in it has the path of the real folder. A
    file that is listed under its own name is not listed again under that of a link. Folders of other programs and
    manifests are not entered.

    Args:
        folder: without links in its path, see `os.path.realpath`.
        manifests: where manifests are, which are not entered; others are recognised.

    Raises:
        OSError: the folder itself cannot be read.
        UsageError: its store does not answer.
    """
    if not isinstance(folder, Path):
        yield from _walk_store(folder, manifests)
        return
    os.scandir(folder).close()  # the folder itself must be readable, those below need not
    root, own = str(folder), str(manifests)
    waiting, entered = [root], {root}
    links: list[str] = []
    linked_files: list[str] = []
    while waiting:
        here = waiting.pop()
        if here != root and (why := _not_to_enter(here, own)):
            yield Entry(path_text(here), why=why)
            continue
        try:
            with os.scandir(here) as found:
                for entry in found:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_symlink():
                        (links if os.path.isdir(entry.path) else linked_files).append(entry.path)
                    elif entry.is_dir():
                        entered.add(entry.path)
                        waiting.append(entry.path)
                    elif entry.is_file():
                        with contextlib.suppress(FileNotFoundError):  # gone since
                            yield Entry(path_text(entry.path), status_of(entry.stat()))
                    else:
                        yield Entry(path_text(entry.path), why=NO_FILE)
        except OSError as error:  # also of a folder whose names may be read and whose files may not
            yield Entry(path_text(here), denied=error.strerror or str(error))
        while links and not waiting:  # real folders come first, so that no link takes the place of one
            links.sort(reverse=True)
            link = links.pop()
            there = os.path.realpath(link)
            if f"{root}/".startswith(f"{there.rstrip('/')}/"):
                yield Entry(path_text(link), why=ABOVE)
            elif there not in entered:
                entered.add(there)
                waiting.append(there)
                yield Entry(path_text(there), link=path_text(link))
    for link in sorted(linked_files):
        yield _linked_file(link, entered)


def canonical(folder: Place) -> Place:
    """Return the one path of a folder, without `..` and links."""
    return Path(os.path.realpath(folder)) if isinstance(folder, Path) else folder


def name_below(path: str, folder: str, links: Mapping[str, str]) -> str | None:
    """Return the name of a file below a folder, by the links that lead to it; None if it is elsewhere.

    Args:
        path: the path of an `Entry`, as is `folder`.
        links: the links by which folders were entered, by the paths of these folders.
    """
    root = f"{folder.rstrip('/')}/"
    for _ in range(len(links) + 1):
        if path.startswith(root):
            return path.removeprefix(root)
        real = next((real for real in links if path.startswith(f"{real}/")), None)
        if real is None:
            return None
        path = links[real] + path.removeprefix(real)
    return None


def _linked_file(link: str, entered: set[str]) -> Entry:
    """A link that does not lead to a folder."""
    text = path_text(link)
    try:
        found = os.stat(link)
        folder, name = os.path.split(os.path.realpath(link))
    except OSError:
        return Entry(text, why=ANNEX_LINK if "annex/objects/" in os.readlink(link) else BROKEN_LINK)
    if not stat.S_ISREG(found.st_mode):
        return Entry(text, why=NO_FILE)
    if folder in entered and not name.startswith("."):
        return Entry(text, why=SAME_FILE)
    return Entry(text, status_of(found))


def _not_to_enter(folder: str, own: str) -> str:
    """Why a folder is not entered; empty if it is."""
    parent, name = os.path.split(folder)
    if name.lower() in PROGRAM_FOLDERS:
        return LEFTOVER
    if _are_manifests(folder, own) or (name in MADE and _are_manifests(parent, own)):
        return MANIFESTS
    return ""


def _are_manifests(folder: str, own: str) -> bool:
    """Whether a folder holds manifests: those of this command, or any that have clips."""
    clips = Path(folder, "clips")
    try:
        return folder == own or (clips.is_dir() and any(clips.glob("generator=*/part-*.parquet")))
    except OSError:
        return False


def _walk_store(folder: "UPath", manifests: Place | None) -> Iterator[Entry]:
    with answering(f"{folder} cannot be listed"):
        found = folder.fs.find(folder.path, detail=True)
    root = folder.fs._strip_protocol(folder.path)
    own = f"{str(manifests).rstrip('/')}/"
    above = f"{str(folder).rstrip('/')}/".startswith(own)
    # Manifests that are above their clips, or beside them, hold what is no clip in two folders.
    not_entered = tuple(f"{own}{name}/" for name in MADE) if above else own
    for name, facts in found.items():
        # An empty file named like a folder stands for it, as the consoles of stores make them.
        below, url = name.removeprefix(root), folder.fs.unstrip_protocol(name)
        if name.endswith("/") or any(part.startswith(".") for part in below.split("/")):
            continue
        yield Entry(url, why=MANIFESTS) if url.startswith(not_entered) else Entry(url, status_in_store(facts))
