"""Our own faults, told from those of clips: an error such as a TypeError in every clip is not the clips' doing."""

import sys
import traceback
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

OUR_FAULTS = (AttributeError, ImportError, NameError, TypeError)
"""What a wrong version of a package or a mistake of ours raises. An odd clip can raise it too, but not every clip."""
HELD = 256
"""Items that are held back before a run gives up."""


class Fault(Exception):
    """A fault of hfv-builder or of its installation: one sentence. The command exits with 1."""


def described(error: Exception) -> str:
    """What was raised, and the line of code that raised it."""
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    where = f" ({'/'.join(Path(last.filename).parts[-2:])}:{last.lineno})" if last else ""
    return f"{type(error).__name__}: {error}".splitlines()[0] + where


class Suspects(Generic[T]):
    """Items that failed with what may be a fault of ours, held back until another item shows that the code works."""

    def __init__(self, *, proven: bool) -> None:
        """Hold nothing yet.

        Args:
            proven: an item was done before with the packages that are installed now.
        """
        self._proven = proven
        self._held: list[T] = []
        self._error = ""

    def prove(self) -> None:
        """Note that the code works: an item was done."""
        self._proven = True

    def hold(self, items: list[T], error: str) -> None:
        """Hold items back.

        Args:
            error: what was raised, as `described`.

        Raises:
            Fault: many are held, and nothing was done.
        """
        self._error = self._error or error
        self._held += items
        if len(self._held) >= HELD and not self._proven:
            self._give_up()

    def release(self) -> list[T]:
        """The items that were held back, which fail by their own doing since others were done.

        Raises:
            Fault: there are some, and nothing was done.
        """
        if self._held and not self._proven:
            self._give_up()
        return self._held

    def _give_up(self) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Fault(
            f"all of {len(self._held)} clips failed with {self._error}: that is a fault of hfv-builder or of the "
            f"packages installed for Python {python}, not of the clips, and no row was written for them; run "
            "`make setup` again, and report it if it stays"
        )
