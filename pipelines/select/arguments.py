"""The arguments of `hfv select`; the standard library alone."""

import argparse

from pipelines.argument_types import seed, whole

FIELDS = ("activity", "background", "format", "prompt", "person", "quality")
"""What a choice can be balanced by."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them to the command's parser."""
    parser.add_argument(
        "--per-generator",
        type=whole(1, 10_000_000),
        metavar="N",
        help="clips of each generator (default: as many as the smallest has)",
    )
    parser.add_argument(
        "--balance",
        type=_fields,
        default=FIELDS,
        metavar="FIELD,…",
        help=f"what to balance, of {','.join(FIELDS)} (default: all)",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="seed of the choice among equal clips (default: 0)"
    )
    parser.add_argument("--all", action="store_true", help="take all clips again")


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if wrong := [name for name in names if name not in FIELDS]:
        raise argparse.ArgumentTypeError(f"there is no field {wrong[0]!r}; choose from {','.join(FIELDS)}")
    return tuple(name for name in FIELDS if name in names)
