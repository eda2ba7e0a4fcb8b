"""Limit the slow work on media per reviewer, so that one reviewer cannot occupy all threads of the server."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")
AT_ONCE = 2
"""Largest number of slow jobs of one reviewer that run at a time."""
THREADS = 128
"""Number of threads for slow jobs, which mostly wait; quick ones use the few threads of the event loop."""


class Turns:
    """Run jobs in threads, with at most `AT_ONCE` slow jobs of each reviewer at a time."""

    def __init__(self) -> None:
        """Start without any jobs."""
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._slow = ThreadPoolExecutor(THREADS, thread_name_prefix="slow")

    def close(self) -> None:
        """Drop the slow jobs that wait; those that run end by themselves."""
        self._slow.shutdown(wait=False, cancel_futures=True)

    async def run(self, name: str, is_quick: Callable[[], bool], work: Callable[[], T]) -> T:
        """Return the result of a job, which starts at once if it is quick, else when the reviewer's limit allows."""
        if await asyncio.to_thread(is_quick):
            return await asyncio.to_thread(work)
        turn = self._turns.setdefault(name, asyncio.Semaphore(AT_ONCE))
        async with turn:
            return await asyncio.get_running_loop().run_in_executor(self._slow, work)
