"""Replacing parts of a folder by others: many steps, and one for readers.

A hidden journal names the parts that come and those that go, and says whether all that come are there. Before that
readers see the old, from then on the new. The next writer carries out or takes back a replacement that was cut short.
"""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hfv_builder.records import UsageError
from hfv_builder.storage.places import HIDDEN, Place, put, read, sync

JOURNAL = ".replacing.json"

Journal = dict[str, Any]


class Replacement:
    """One on its way. Whoever holds the folder's lock alone may make one, and a lock in a store can be lost."""

    def __init__(self, folder: Place) -> None:
        recover(folder)
        self._folder, self._owner = folder, uuid.uuid4().hex
        self._new: list[str] = []
        self._begun = self._whole = False

    def add(self, name: str, data: bytes | memoryview) -> None:
        """Write a part that is to come.

        Raises:
            UsageError: it cannot be written, or another has taken over.
        """
        self._new.append(name)
        self._tell(old=(), whole=False)
        put(self._folder / name, data)

    def carry_out(self, old: Iterable[str]) -> None:
        """Let the parts that were added take the place of the old ones.

        Raises:
            UsageError: another has taken over.
        """
        sync(self._folder)
        self._tell(old, whole=True)
        self._whole = True

    def end(self) -> None:
        """Delete what went, or, if the replacement was not carried out, what was to come.

        Raises:
            UsageError: it should have been carried out, but another has taken over.
        """
        carried_out = recover(self._folder, self._owner)
        if self._whole and not carried_out:
            raise self._taken_over()

    def _tell(self, old: Iterable[str], *, whole: bool) -> None:
        found = journal_of(self._folder)
        if (found is not None) != self._begun or (found and found["owner"] != self._owner):
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
    """What is being replaced, if anything is."""
    try:
        journal: Journal = json.loads(read(folder / JOURNAL))
    except FileNotFoundError:
        return None
    return journal


def obsolete(journal: Journal | None) -> set[str]:
    """The parts that readers are not to see."""
    return set() if journal is None else set(journal["old" if journal["whole"] else "new"])


def recover(folder: Place, owner: str | None = None) -> bool:
    """End a replacement: carried out if all its new parts are there, else taken back. Sweep up after killed writers.

    Args:
        owner: whose; None takes anybody's.

    Returns:
        Whether one was carried out.
    """
    journal, whole = journal_of(folder), False
    if journal is not None and owner in (None, journal.get("owner")):
        there = {part.name for part in folder.glob("part-*.parquet")}
        # New parts can be missing only if somebody took it back meanwhile, believing its owner dead.
        whole = journal["whole"] and there.issuperset(journal["new"])
        for name in there & set(journal["old" if whole else "new"]):
            (folder / name).unlink(missing_ok=True)
        sync(folder)
        (folder / JOURNAL).unlink(missing_ok=True)
    if isinstance(folder, Path):
        for leftover in folder.glob(f"{HIDDEN}*.tmp"):
            leftover.unlink(missing_ok=True)
    return whole
