"""A simulated kill -9: the process stops after a number of changes to files."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Simulate kill -9: no code of the project catches it."""


@contextmanager
def killed_after(survived: int) -> Iterator[None]:
    """End the block at the first rename, sync or deletion of a file after `survived` of them."""
    steps = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > survived:
                raise Killed
            return function(*arguments, **options)

        return step

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        for owner, name in ((os, "replace"), (os, "fsync"), (Path, "unlink")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield
