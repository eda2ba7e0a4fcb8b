"""A stand-in for kill -9 in tests: files stop changing after so many steps."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@contextmanager
def killed_after(survived: int) -> Iterator[None]:
    """Raise `Killed` at the step after so many renames, syncs and deletions of files, and end the block there."""
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
