"""List the files below a folder, each under one path even if several links lead to it."""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hfv_builder.storage.file_status import FileStatus, status_in_store, status_of
from hfv_builder.storage.path_text import FILE, native, path_text
from hfv_builder.storage.places import Place, answering

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
"""Names of folders with internal files of other programs, in lower case."""


MADE = ("review", "evidence")
"""Folders of manifests that contain media."""


class Entry(NamedTuple):
    """A file, or a folder that was not entered."""

    path: str
    """The text of its absolute path, see `path_text`, or its URL."""
    status: FileStatus | None = None
    """The attributes of the file; None if it is not a file to read."""
    why: str = ""
    """The reason why it is not a file to read; empty if it is."""
    denied: str = ""
    """The reason why this folder could not be entered; empty if it could."""
    link: str = ""
    """The path of the link by which this folder was entered; empty if there is none."""


def walk(folder: Place, manifests: Place | None = None) -> Iterator[Entry]:
    """Yield all files in the folder and below that are not hidden, and what was skipped.

    Links to folders are followed. Every folder is entered once, and its files have the path of the real folder. A link
    to a file that is listed itself is not listed as a file. Folders of other programs and manifests are not entered.

    Args:
        folder: its path must not contain links, see `canonical`.
        manifests: the manifests of this command, which are not entered; other manifests are recognised.

    Raises:
        OSError: the folder itself cannot be read.
        UsageError: its object store does not respond.
    """
    if not isinstance(folder, Path):
        yield from _walk_store(folder, manifests)
        return
    os.scandir(folder).close()  # raises if the folder itself is not readable; errors below are reported as entries
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
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_symlink():
                        (links if os.path.isdir(entry.path) else linked_files).append(entry.path)
                    elif entry.is_dir():
                        entered.add(entry.path)
                        waiting.append(entry.path)
                    elif entry.is_file():
                        with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                            yield Entry(path_text(entry.path), status_of(entry.stat()))
                    else:
                        yield Entry(path_text(entry.path), why=NO_FILE)
        except OSError as error:  # also for a folder that can be listed but whose files cannot be accessed
            yield Entry(path_text(here), denied=error.strerror or str(error))
        while links and not waiting:  # links are followed after all real folders were entered
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
    """Return the path of a folder without `..` and links; URLs are returned unchanged."""
    return Path(os.path.realpath(folder)) if isinstance(folder, Path) else folder


def name_below(path: str, folder: str, links: Mapping[str, str]) -> str | None:
    """Return the path of a file relative to a folder, through links if needed; None if it is not below the folder.

    A relative path that is not valid UTF-8 has no text of its own: `path` is returned unchanged.

    Args:
        path: the path of an `Entry`.
        folder: the path of the folder, in the same form.
        links: the links by which folders were entered, by the real paths of these folders.
    """
    root, here = f"{native(folder).rstrip('/')}/", native(path)
    for _ in range(len(links) + 1):
        if here.startswith(root):
            name = path_text(here.removeprefix(root))
            return path if name.startswith(FILE) else name
        real = next((real for real in links if here.startswith(f"{native(real)}/")), None)
        if real is None:
            return None
        here = native(links[real]) + here.removeprefix(native(real))
    return None


def _linked_file(link: str, entered: set[str]) -> Entry:
    """Return the entry of a link that does not lead to a folder."""
    text = path_text(link)
    try:
        status = os.stat(link)
        folder, name = os.path.split(os.path.realpath(link))
    except OSError:
        return Entry(text, why=ANNEX_LINK if "annex/objects/" in os.readlink(link) else BROKEN_LINK)
    if not stat.S_ISREG(status.st_mode):
        return Entry(text, why=NO_FILE)
    if folder in entered and not name.startswith("."):
        return Entry(text, why=SAME_FILE)
    return Entry(text, status_of(status))


def _not_to_enter(folder: str, own: str) -> str:
    """Return the reason why a folder must not be entered; empty if it may be."""
    parent, name = os.path.split(folder)
    if name.lower() in PROGRAM_FOLDERS:
        return LEFTOVER
    if _are_manifests(folder, own) or (name in MADE and _are_manifests(parent, own)):
        return MANIFESTS
    return ""


def _are_manifests(folder: str, own: str) -> bool:
    """Return whether a folder contains manifests: those of this command, or others with a `clips` table."""
    clips = Path(folder, "clips")
    try:
        return folder == own or (clips.is_dir() and any(clips.glob("generator=*/part-*.parquet")))
    except OSError:
        return False


def _walk_store(folder: "UPath", manifests: Place | None) -> Iterator[Entry]:
    with answering(f"{folder} cannot be listed"):
        objects = folder.fs.find(folder.path, detail=True)
    root = folder.fs._strip_protocol(folder.path)
    own = f"{str(manifests).rstrip('/')}/"
    above = f"{str(folder).rstrip('/')}/".startswith(own)
    # Manifests in a parent folder of the clips: only their folders with media must be skipped.
    not_entered = tuple(f"{own}{name}/" for name in MADE) if above else own
    for name, facts in objects.items():
        # Consoles of object stores create empty objects whose names end in `/` for folders.
        below, url = name.removeprefix(root), folder.fs.unstrip_protocol(name)
        if name.endswith("/") or any(part.startswith(".") and part.strip(".") for part in below.split("/")):
            continue
        yield Entry(url, why=MANIFESTS) if url.startswith(not_entered) else Entry(url, status_in_store(facts))
