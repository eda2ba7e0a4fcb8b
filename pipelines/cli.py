"""The command line, `hfv STAGE`: it reads arguments, calls one stage and prints what came of it.

Only the standard library is imported until a stage runs, so that help is there at once.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfv_builder.records import DONE, INTERRUPTED, METRICS, OUR_FAULT, SOME_FAILED, WRONG_USE, Metric
from pipelines.workers.cluster import KINDS, Cluster
from pipelines.workers.faults import Fault

if TYPE_CHECKING:
    from hfv_builder.storage.manifest import Manifests
    from pipelines.outcome import Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 a fault of ours, 2 wrong use, 3 done but some clips failed."""
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("\nstopped; nothing is lost: the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _run(options: argparse.Namespace) -> int:
    from hfv_builder.records import UsageError
    from hfv_builder.storage.manifest import Manifests
    from hfv_builder.storage.places import answering, place, reach
    from pipelines.outcome import record

    try:
        with answering("the store cannot be used"):
            manifests = Manifests(reach(place(options.manifests)))
            outcome: Outcome = options.stage(manifests, options)
            if outcome.exit_code in (DONE, SOME_FAILED) and options.command in RECORDED:
                record(manifests, options.command, outcome)
    except UsageError as error:
        if options.verbose:
            traceback.print_exc()
        print(f"hfv {options.command}: {error}", file=sys.stderr)
        return WRONG_USE
    except Fault as error:
        print(f"hfv {options.command}: {error}", file=sys.stderr)
        return OUR_FAULT
    print(json.dumps(outcome.summary, default=str) if options.json else outcome.text)
    return outcome.exit_code


def _cluster(options: argparse.Namespace) -> Cluster:
    """Where the tasks of a stage run."""
    return Cluster(workers=options.workers, scheduler=options.scheduler, kind=options.cluster, wait_min=options.wait)


def _catalog(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from hfv_builder.storage.places import place
    from pipelines.catalog.stage import catalog

    return catalog(
        manifests,
        options.generator,
        place(options.clips),
        prompts=options.prompts,
        real=options.real,
        retry_failed=options.retry_failed,
        cluster=_cluster(options),
    )


def _score(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from hfv_builder.profile import load_profile
    from pipelines.score.stage import score

    return score(
        manifests,
        options.generator,
        load_profile(options.profile),
        metrics=options.metrics,
        retry_failed=options.retry_failed,
        cluster=_cluster(options),
        device=options.device,
        deadline_s=options.deadline,
    )


def _label(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.label.stage import label

    return label(
        manifests,
        options.generator,
        profile=options.profile,
        allow_mixed=options.allow_mixed,
        by_format=options.by_format,
    )


def _split(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.split import split

    return split(
        manifests, options.generator, options.labels, allow_partial=options.allow_partial, overlap=options.overlap
    )


def _status(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.status import status

    return status(manifests)


def _weights(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from hfv_builder.backends.weights import Store
    from hfv_builder.profile import load_profile
    from pipelines.outcome import Outcome
    from pipelines.weights import check, demand, pull, table

    store = Store(root=options.dir) if options.dir else Store()
    profile = load_profile(options.profile)
    states = (pull if options.action == "pull" else check)(profile, store=store)
    if states and not options.json:
        print(table(states))
    demand(states, store)
    files = [
        {"model": each.model, "revision": each.revision, "file": each.file, "state": each.state} for each in states
    ]
    summary = {"profile": profile.name, "dir": str(store.root), "files": files}
    return Outcome(
        summary=summary, text=f"all there, in {store.root}" if states else f"{profile.name} needs no weights"
    )


def _review(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.review import review

    return review(
        manifests,
        host=options.host,
        port=options.port,
        users=options.users,
        settings=options.settings,
        overlap=options.overlap,
        db=options.db,
        into=_into(options),
        names=options.name,
        verbose=options.verbose,
    )


def _reviews(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.review import add_user, export_reviews

    if options.action == "export":
        return export_reviews(manifests, db=options.db, into=_into(options), overlap=options.overlap)
    return add_user(options.user, options.users, role=options.role)


def _into(options: argparse.Namespace) -> "Manifests | None":
    from hfv_builder.storage.manifest import Manifests
    from hfv_builder.storage.places import place, reach

    return None if options.into is None else Manifests(reach(place(options.into)))


def _demo(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.demo.stage import demo

    return demo(options.out, seed=options.seed, workers=options.workers)


INTO = "the manifests to export into (default: those of --manifests; with --db, a folder beside that database)"
RECORDED = frozenset({"catalog", "score", "label", "split"})
"""Commands that leave a run report; those that only look, or have manifests of their own, leave none."""


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument(
        "--manifests",
        metavar="DIR",
        default=os.environ.get("HFV_MANIFESTS", "manifests"),
        help="where the manifests are, a folder or a URL such as s3://bucket/a (default: $HFV_MANIFESTS, or manifests)",
    )
    everywhere.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    everywhere.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")

    cluster = argparse.ArgumentParser(add_help=False)
    cluster.add_argument(
        "--workers",
        type=_whole,
        metavar="N",
        help="local processes (default: one for each core), or jobs of --cluster (default: 1); 0: in this very process",
    )
    cluster.add_argument(
        "--wait",
        type=_positive,
        metavar="MINUTES",
        help="end the run when no worker is available for so long (default: 5 for local workers, else for ever)",
    )
    where = cluster.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="use the Dask scheduler there, e.g. tcp://10.0.0.1:8786, or its file"
    )
    where.add_argument("--cluster", choices=KINDS, metavar="KIND", help=f"ask for workers: {', '.join(KINDS)}")

    top = argparse.ArgumentParser(
        prog="hfv",
        description="Build HFV-style benchmarks: score, rank, label, review and split folders of generated clips.",
        epilog="Exit codes: 0 done, 1 a fault of ours, 2 wrong use, 3 done but some clips failed.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, stage: Callable[..., Any], help_: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".", parents=parents)
        added.set_defaults(stage=stage)
        return added

    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--generator", required=True, metavar="G", help="the generator, such as kling")
    several = argparse.ArgumentParser(add_help=False)
    several.add_argument(
        "--generator", action="append", default=[], metavar="G", help="one of several generators (default: all)"
    )

    catalog = command("catalog", _catalog, "list the clips of a generator's folder", one, cluster, everywhere)
    catalog.add_argument(
        "--clips", required=True, metavar="DIR", help="the folder, or its URL; those below it count too"
    )
    catalog.add_argument(
        "--prompts", type=Path, metavar="CSV", help="columns file, prompt and, if you like, prompt_group"
    )
    catalog.add_argument(
        "--real", action="store_true", help="camera footage, of a source that sources.toml does not know"
    )
    catalog.add_argument("--retry-failed", action="store_true", help="read files again that failed before")

    score = command("score", _score, "score the catalogued clips of a generator", one, cluster, everywhere)
    score.add_argument(
        "--profile", default="paper", metavar="P", help="paper, lite or a .toml file of your own (default: paper)"
    )
    score.add_argument(
        "--metrics", type=_metrics, default=METRICS, metavar="M,…", help=f"some of {','.join(METRICS)} (default: all)"
    )
    score.add_argument("--device", choices=("cpu", "cuda"), help="where models run (default: a GPU if there is one)")
    score.add_argument(
        "--deadline",
        type=_positive,
        metavar="SECONDS",
        help="a clip that takes longer counts as failed (default: 900; a day for learnt models on a CPU)",
    )
    score.add_argument("--retry-failed", action="store_true", help="try clips again that failed under this profile")

    label = command("label", _label, "rank the scores inside each generator and name the labels", several, everywhere)
    label.add_argument(
        "--profile", metavar="P", help="whose scores (default: the only profile that has some, else paper)"
    )
    label.add_argument(
        "--allow-mixed",
        action="store_true",
        help="rank scores together that other devices or decoder versions made, and leave clips unlabelled that have "
        "one of an older configuration alone",
    )
    label.add_argument(
        "--by-format", action="store_true", help="rank the clips of each size, rate and length among themselves"
    )

    split = command("split", _split, "divide the labelled clips into train and val", several, everywhere)
    split.add_argument(
        "--labels",
        choices=("auto", "final"),
        default="auto",
        help="the automatic labels, or those that reviewers made final (default: auto)",
    )
    split.add_argument(
        "--allow-partial", action="store_true", help="count the votes on clips that have fewer than were asked for"
    )
    split.add_argument(
        "--overlap", type=_positive, metavar="N", help="votes that a clip needs (default: as the review was set to)"
    )

    command("status", _status, "show what is done, failed and left", everywhere)

    weights = command("weights", _weights, "fetch the weights that a profile needs, or check those there", everywhere)
    weights.add_argument("action", choices=("pull", "check"), help="pull: download what is missing; check: only look")
    weights.add_argument("--profile", default="paper", metavar="P", help="whose weights (default: paper)")
    weights.add_argument(
        "--dir", type=Path, metavar="DIR", help="where they are (default: $HFV_WEIGHTS, or your cache)"
    )

    review = command("review", _review, "let reviewers confirm or correct the labels in a browser", everywhere)
    review.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine only)"
    )
    review.add_argument("--port", type=_positive, default=8000, metavar="N", help="port to listen at (default: 8000)")
    review.add_argument("--users", type=Path, metavar="FILE", help="who may sign in; needed for any other host")
    review.add_argument("--settings", type=Path, metavar="FILE", help="a TOML file with settings of the queues")
    review.add_argument("--overlap", type=_positive, metavar="N", help="reviewers for each clip (default: 1)")
    review.add_argument("--db", type=Path, metavar="FILE", help="the decisions (default: in the manifests folder)")
    review.add_argument("--into", metavar="DIR", help=INTO)
    review.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="another name the server is called by"
    )

    # Its actions take the options that all commands take, so it takes none itself.
    reviews = command("reviews", _reviews, "export the decisions of reviewers, or add a reviewer")
    actions = reviews.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write the decisions to the reviews manifest", parents=[everywhere])
    export.add_argument("--db", type=Path, metavar="FILE", help="the decisions (default: in the manifests folder)")
    export.add_argument("--into", metavar="DIR", help=INTO)
    export.add_argument(
        "--overlap", type=_positive, metavar="N", help="votes that a clip needs (default: as the review was set to)"
    )
    adding = actions.add_parser("add-user", help="make a token for a reviewer or adjudicator", parents=[everywhere])
    adding.add_argument("user", metavar="NAME")
    adding.add_argument("--users", type=Path, required=True, metavar="FILE", help="the file of users to add to")
    adding.add_argument("--role", choices=("reviewer", "adjudicator"), default="reviewer")

    demo = command("demo", _demo, "render sample clips and run every stage on them", everywhere)
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where it goes (default: demo)")
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="another seed renders other clips (default: 0)")
    demo.add_argument("--workers", type=_positive, metavar="N", help="local processes (default: one for each core)")
    return top


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _metrics(text: str) -> tuple[Metric, ...]:
    names = tuple(text.split(","))
    wrong = [name for name in names if name not in METRICS]
    if wrong:
        raise argparse.ArgumentTypeError(f"there is no metric {wrong[0]!r}; choose of {','.join(METRICS)}")
    return tuple(name for name in METRICS if name in names)


if __name__ == "__main__":
    sys.exit(main())
