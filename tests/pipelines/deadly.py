"""Work that kills its worker; a module of its own, so that a new worker has little to import."""

import os


def add(items: list[int], *, deadly: int) -> int:
    """The sum of the items, unless the deadly one is among them."""
    if deadly in items:
        os._exit(1)
    return sum(items)
