"""Turns for slow work on media, so that one reviewer does not keep the server's threads from all others."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")
AT_ONCE = 2
"""Pieces of slow work of one reviewer at a time."""


class Turns:
    """Runs work in threads; slow work of a reviewer waits while `AT_ONCE` pieces of theirs run."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def run(self, name: str, is_quick: Callable[[], bool], work: Callable[[], T]) -> T:
        """Return what the work gives, done at once if it is quick, else when it is the turn of this reviewer."""
        if await asyncio.to_thread(is_quick):
            return await asyncio.to_thread(work)
        turn = self._turns.setdefault(name, asyncio.Semaphore(AT_ONCE))
        async with turn:
            return await asyncio.to_thread(work)
