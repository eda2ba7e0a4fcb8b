"""Replace the parts of a folder by other parts in one atomic step for readers.

A hidden journal lists the new and the old parts, and whether all new parts are written. Until then readers use the old
parts, afterwards the new ones. The next writer completes or rolls back a replacement that was interrupted.
"""

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

from hfv_builder.records import UsageError
from hfv_builder.storage.places import HIDDEN, Place, matching, put, read, remove, sync

JOURNAL = ".replacing.json"
PART = re.compile(r"part-.*\.parquet")
"""Names of parts."""
TRIES = 5
"""Number of attempts to read a partition that is replaced while it is read."""

Journal = dict[str, Any]
T = TypeVar("T")


class Replacement:
    """A replacement in progress. Requires the lock of the folder, which can be lost in an object store."""

    def __init__(self, folder: Place) -> None:
        recover(folder)
        self._folder, self._owner = folder, uuid.uuid4().hex
        self._new: list[str] = []
        self._begun = self._whole = False

    def add(self, name: str, data: bytes | memoryview) -> None:
        """Write a new part, which readers ignore until `carry_out`.

        Raises:
            UsageError: it cannot be written, or another process has taken over.
        """
        self._new.append(name)
        self._write_journal(old=(), whole=False)
        put(self._folder / name, data)

    def carry_out(self, old: Iterable[str]) -> None:
        """Switch readers from the old parts to the added ones.

        Raises:
            UsageError: another process has taken over.
        """
        sync(self._folder)
        self._write_journal(old, whole=True)
        self._whole = True

    def end(self) -> None:
        """Delete the old parts after `carry_out`; without it, delete the added parts.

        Raises:
            UsageError: another process took over after `carry_out`.
        """
        carried_out = recover(self._folder, self._owner)
        if self._whole and not carried_out:
            raise self._taken_over()

    def _write_journal(self, old: Iterable[str], *, whole: bool) -> None:
        present = journal_of(self._folder)
        if (present is not None) != self._begun or (present and present["owner"] != self._owner):
            raise self._taken_over()
        self._begun = True
        journal = {"owner": self._owner, "new": self._new, "old": list(old), "whole": whole}
        put(self._folder / JOURNAL, json.dumps(journal))
        sync(self._folder)

    def _taken_over(self) -> UsageError:
        return UsageError(
            f"another hfv has taken over {self._folder}; wait until it ends, then run the same command again"
        )


def journal_of(folder: Place) -> Journal | None:
    """Return the journal of the folder; None if nothing is being replaced."""
    try:
        journal: Journal = json.loads(read(folder / JOURNAL))
    except FileNotFoundError:
        return None
    return journal


def visible_parts(folder: Place, names: Collection[str] | None = None) -> list[Place]:
    """Return the part files of a folder, sorted by name, as readers should see them during a replacement.

    Args:
        folder: the folder of a partition.
        names: the names of all its files at one moment, if they are known.
    """
    if names is not None and JOURNAL not in names:
        return [folder / name for name in sorted(names) if PART.fullmatch(name)]
    while True:
        journal = journal_of(folder)
        parts = matching(folder, "part-*.parquet")
        if journal_of(folder) == journal:
            # New parts before the switch, old parts after it.
            obsolete = set(journal["old" if journal["whole"] else "new"]) if journal else set()
            return sorted((part for part in parts if part.name not in obsolete), key=lambda part: part.name)


def despite_replacements(read: Callable[[], T], what: str) -> T:
    """Return the result of `read`, which is called again if another command has deleted a part in the meantime.

    Args:
        read: lists parts and reads them.
        what: what it reads, for the error.

    Raises:
        UsageError: a part is missing every time.
    """
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError):
            return read()
    raise UsageError(f"{what} lacks a part, as while another hfv replaces it: run the same command again")


def recover(folder: Place, owner: str | None = None) -> bool:
    """Complete a replacement if all its new parts are written, else roll it back; delete files of killed writers.

    Args:
        owner: the owner of the replacement; None accepts any owner.

    Returns:
        Whether a replacement was completed.
    """
    journal, whole = journal_of(folder), False
    if journal is not None and owner in (None, journal.get("owner")):
        present = {part.name for part in matching(folder, "part-*.parquet")}
        # New parts are missing only if another process, which believed the owner dead, has rolled it back.
        whole = journal["whole"] and present.issuperset(journal["new"])
        for name in present & set(journal["old" if whole else "new"]):
            remove(folder / name)
        sync(folder)
        remove(folder / JOURNAL)
    if isinstance(folder, Path):
        for leftover in folder.glob(f"{HIDDEN}*.tmp"):
            leftover.unlink(missing_ok=True)
    return whole
