"""Compute results in threads before they are needed, with bounded memory."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


def ahead(pool: ThreadPoolExecutor, work: Callable[[I], R], items: Sequence[I], count: int) -> Iterator[R]:
    """Yield the results in the order of the items; at most `count` are computed at the same time."""
    rest = iter(items)
    waiting = [pool.submit(work, item) for item in itertools.islice(rest, count)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(work, item) for item in itertools.islice(rest, 1)]
