"""The arguments of `hfv review` and `hfv reviews`; the standard library alone."""

import argparse

from pipelines.argument_types import path, text, votes, whole

INTO = "manifests to export into (default: those of --manifests; with --db, a folder next to the database)"
DB = "database of decisions (default: in the manifests folder)"


def add_review(review: argparse.ArgumentParser) -> None:
    """Add the arguments of `hfv review` to its parser."""
    review.add_argument(
        "--host", type=text, default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    review.add_argument(
        "--port", type=whole(1, 65_535), default=8000, metavar="N", help="port to listen on (default: 8000)"
    )
    review.add_argument(
        "--users", type=path, metavar="FILE", help="file of users; required unless --host is this machine"
    )
    review.add_argument(
        "--clips", type=path, metavar="LIST", help="review only the clips whose ids are in this file, one per line"
    )
    review.add_argument(
        "--run",
        type=path,
        metavar="RUN",
        help="run of a detector whose answers are shown beside the automatic labels, after the blind answer",
    )
    review.add_argument("--settings", type=path, metavar="FILE", help="TOML file with settings of the queues")
    review.add_argument("--overlap", type=votes, metavar="N", help="reviewers per clip (default: 1)")
    review.add_argument(
        "--cache-gb", type=whole(1, 1_000_000), metavar="GB", help="largest size of all proxies (default: 20)"
    )
    review.add_argument("--db", type=path, metavar="FILE", help=DB)
    review.add_argument("--into", type=text, metavar="DIR", help=INTO)
    review.add_argument(
        "--name",
        type=text,
        action="append",
        default=[],
        metavar="HOST",
        help="another host name of the server; may be repeated",
    )


def add_reviews(reviews: argparse.ArgumentParser, everywhere: argparse.ArgumentParser) -> None:
    """Add the arguments of `hfv reviews` to its parser; those of `everywhere` to each action."""
    actions = reviews.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, help_: str) -> argparse.ArgumentParser:
        description = help_[0].upper() + help_[1:] + "."
        return actions.add_parser(name, help=help_, description=description, parents=[everywhere])

    export = action("export", "write the decisions to the manifests reviews and final")
    export.add_argument("--db", type=path, metavar="FILE", help=DB)
    export.add_argument("--into", type=text, metavar="DIR", help=INTO)
    export.add_argument(
        "--overlap",
        type=votes,
        metavar="N",
        help="votes that a clip needs (default: as in the settings of the review)",
    )
    adding = action("add-user", "add a reviewer or adjudicator and print the token")
    adding.add_argument("user", type=text, metavar="NAME", help="name to sign in with")
    adding.add_argument("--users", type=path, required=True, metavar="FILE", help="file of users to extend")
    adding.add_argument(
        "--role",
        choices=("reviewer", "adjudicator"),
        default="reviewer",
        help="adjudicators settle disputes (default: reviewer)",
    )
    for option in ("generator", "queue"):
        adding.add_argument(
            f"--{option}",
            type=text,
            action="append",
            default=[],
            metavar=option[0].upper(),
            help=f"deal only clips of this {option}; may be repeated (default: all)",
        )
    daily = action("daily", "print the work of every reviewer on every day: answers, pace, agreement")
    daily.add_argument("--db", type=path, metavar="FILE", help=DB)
    daily.add_argument("--csv", type=path, metavar="FILE", help="also write the table to this file")
