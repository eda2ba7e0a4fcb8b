"""The arguments of `hfv release`; the standard library alone."""

import argparse
from pathlib import Path

from pipelines.argument_types import path, text

OUT = Path("releases")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them to the command's parser."""
    parser.add_argument(
        "what",
        metavar="NAME|init|verify|attach|push",
        help="NAME: make a release of this name; init: write a release.toml to fill in; "
        "verify: check a release; attach: put clips into one without media; push: publish one on the hub",
    )
    parser.add_argument("folder", nargs="?", type=path, metavar="DIR", help="the release to verify, attach to or push")
    parser.add_argument("--version", type=text, metavar="V", help="version of the release, such as 1.0.0")
    parser.add_argument(
        "--out", type=path, default=OUT, metavar="DIR", help=f"where the release's folder goes (default: {OUT})"
    )
    parser.add_argument(
        "--media",
        choices=("original", "uniform", "none"),
        default="original",
        help="original: the catalogued files; uniform: all encoded alike; none: metadata only (default: original)",
    )
    parser.add_argument(
        "--variants",
        type=text,
        metavar="A,B,…",
        help="processed copies of each evaluation set: control, blur3, jpeg50, jpeg90, resize0.7, mixed",
    )
    parser.add_argument(
        "--format",
        choices=("folder", "webdataset"),
        default="folder",
        help="folder: one file per clip; webdataset: tar files, for streaming (default: folder)",
    )
    parser.add_argument(
        "--allow-lite", action="store_true", help="release labels of the profile lite, which are not for publishing"
    )
    parser.add_argument(
        "--clips", action="append", type=text, metavar="DIR", help="attach: a folder of clips; may be repeated"
    )
    parser.add_argument(
        "--to", type=text, metavar="REPO", help="push: the repository on the Hugging Face hub, someone/my-set"
    )
    parser.add_argument("--private", action="store_true", help="push: make the repository a private one")
    parser.add_argument(
        "--settings", type=path, metavar="FILE", help="the release.toml (default: in the manifests folder)"
    )
