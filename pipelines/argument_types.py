"""Types of command-line arguments, for all commands; the standard library alone."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

DIGITS = 20


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a type of arguments that accepts integers from `least` to `most`."""

    def parse(value: str) -> int:
        digits = value.isascii() and value.isdecimal() and len(value) <= DIGITS
        if not digits or not least <= int(value) <= most:
            raise argparse.ArgumentTypeError(f"{value!r} is not a whole number from {least} to {most}")
        return int(value)

    return parse


processes = whole(1, 100_000)
seed = whole(0, 2**32 - 1)
votes = whole(1, 100)


def text(value: str) -> str:
    """Return a text that is not empty, with the home folder in place of a leading `~`."""
    if not value.strip():
        raise argparse.ArgumentTypeError("it is empty; give a value, or leave the option out")
    return os.path.expanduser(value) if value[:2] in ("~", "~/") else value  # shells do not expand --out=~/a


def path(value: str) -> Path:
    """Return a path."""
    return Path(text(value))
