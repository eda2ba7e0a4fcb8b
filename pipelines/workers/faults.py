"""Tell internal errors from failures of clips: a TypeError in every clip, for example, is an internal error."""

import sys
import traceback
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

OUR_FAULTS = (AttributeError, ImportError, NameError, TypeError)
"""Exceptions of a bug or of a wrong package version. A damaged clip may raise one too, but not every clip does."""
HELD = 256
"""Number of items that are held back before a run stops."""


class Fault(Exception):
    """An internal error, or an error of the installation, in one sentence. The command exits with 1."""


def described(error: Exception) -> str:
    """Return the type and message of an exception, and the line of code that raised it."""
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    where = f" ({'/'.join(Path(last.filename).parts[-2:])}:{last.lineno})" if last else ""
    return f"{type(error).__name__}: {error}".splitlines()[0] + where


class Suspects(Generic[T]):
    """Items that may have failed by an internal error, held back until another item succeeds."""

    def __init__(self, *, proven: bool) -> None:
        """Start without items.

        Args:
            proven: an item has succeeded before with the installed package versions.
        """
        self._proven = proven
        self._held: list[T] = []
        self._error = ""

    def prove(self) -> None:
        """Record that an item succeeded."""
        self._proven = True

    def hold(self, items: list[T], error: str) -> None:
        """Add items that failed.

        Args:
            items: the items.
            error: the exception, as returned by `described`.

        Raises:
            Fault: at least `HELD` items are held, and none has succeeded.
        """
        self._error = self._error or error
        self._held += items
        if len(self._held) >= HELD and not self._proven:
            self._give_up()

    def release(self) -> list[T]:
        """Return the items that were held back; their failures are their own since other items succeeded.

        Raises:
            Fault: there are such items, and none has succeeded.
        """
        if self._held and not self._proven:
            self._give_up()
        return self._held

    def _give_up(self) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Fault(
            f"all of {len(self._held)} clips failed with {self._error}: this is an error of hfv-builder or of the "
            f"packages installed for Python {python}, not of the clips, and no row was written for them; run "
            "`make setup` again, and report the error if it persists"
        )
