"""The arguments of `hfv audit`; the standard library alone."""

import argparse

from pipelines.argument_types import path, text

PEOPLE = ("pose", "rtdetr")
"""The person detectors."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them to the command's parser."""
    parser.add_argument(
        "--against",
        type=text,
        metavar="LABELS.csv",
        help="labels of others to compare with: HumanSAM's lists, or a table with file and label",
    )
    parser.add_argument("--release", type=path, metavar="DIR", help="also look at the files of this release")
    parser.add_argument(
        "--topics", type=text, metavar="FILE", help="TOML file of activities and backgrounds (default: ours)"
    )
    parser.add_argument(
        "--people",
        choices=PEOPLE,
        help="person detector that scores all clips (default: pose, if it is installed, for clips without a score)",
    )
    parser.add_argument("--retry-failed", action="store_true", help="look again at clips that failed before")
