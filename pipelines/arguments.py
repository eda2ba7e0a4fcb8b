"""Define the arguments of the command line, with the standard library only, so that `--help` is fast."""

import argparse
import os
from functools import cache
from pathlib import Path

from hfv_builder.records import METRICS, Metric
from pipelines.argument_types import path, processes, seed, text, votes, whole
from pipelines.audit.arguments import add_arguments as add_audit
from pipelines.detect.arguments import add_evaluate, add_predict, add_reproduce, add_train
from pipelines.release.arguments import add_arguments as add_release
from pipelines.review_arguments import add_review, add_reviews
from pipelines.select.arguments import add_arguments as add_select
from pipelines.workers.cluster import KINDS


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and their options."""
    return _parser(os.path.expanduser(os.environ.get("HFV_MANIFESTS") or "manifests"))


@cache
def _parser(manifests: str) -> argparse.ArgumentParser:
    everywhere = _everywhere(argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS))
    cluster = _cluster()

    top = argparse.ArgumentParser(
        prog="hfv",
        description="Build HFV-style benchmarks: score, rank, label, review and split folders of generated clips.",
        epilog="Exit codes: 0 done, 1 internal error, 2 wrong use, 3 clips failed or problems found, 130 interrupted.",
    )
    _everywhere(top)
    top.set_defaults(manifests=manifests, json=False, verbose=False)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".", parents=parents)

    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("--generator", type=text, required=True, metavar="G", help="the generator, such as kling")
    several = argparse.ArgumentParser(add_help=False)
    several.add_argument(
        "--generator",
        type=text,
        action="append",
        default=[],
        metavar="G",
        help="a generator; may be repeated (default: all)",
    )

    _add_catalog(command("catalog", "list the clips of a generator's folder", one, cluster, everywhere))
    _add_score(command("score", "score the catalogued clips of a generator", one, cluster, everywhere))
    _add_label(command("label", "rank the scores within each generator and label the clips", several, everywhere))
    _add_split(command("split", "divide the labelled clips into train, val and test", several, everywhere))
    add_release(command("release", "make, or check, a data set that others load", cluster, everywhere))
    add_select(
        command("select", "choose a balanced subset of the clips, before they are labelled", several, everywhere)
    )
    add_audit(command("audit", "report what a careful reviewer would object to", several, cluster, everywhere))
    add_train(command("train", "train a detector on a release", everywhere))
    add_evaluate(command("evaluate", "evaluate detectors on a release, beside the floors", everywhere))
    add_predict(command("predict", "classify your own clips with a trained detector, and show why", everywhere))
    add_reproduce(
        command("reproduce", "train and evaluate all detectors of the paper, and write its tables", everywhere)
    )
    command("status", "show how many clips are done, failed and left", everywhere)
    show = command("show", "print everything that is known about one clip", everywhere)
    show.add_argument("clip", type=text, metavar="CLIP", help="its id, the beginning of its id, or its file name")
    _add_weights(command("weights", "download, check or try the weights that a profile needs", everywhere))
    add_review(command("review", "let reviewers confirm or correct the labels in a browser", everywhere))
    reviews = command("reviews", "export or sum up the decisions of reviewers, or add a reviewer", everywhere)
    add_reviews(reviews, everywhere)
    _add_demo(command("demo", "render sample clips and run every stage on them", everywhere))
    return top


def _everywhere(to: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options allowed before and after the command. Options omitted after it keep the values before it."""
    to.add_argument(
        "--manifests",
        type=text,
        metavar="DIR",
        help="folder of the manifests, or a URL such as s3://bucket/a (default: $HFV_MANIFESTS, or manifests)",
    )
    to.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    to.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error, and whole lists")
    return to


def _cluster() -> argparse.ArgumentParser:
    """Return a parser with the options of commands that use workers."""
    cluster = argparse.ArgumentParser(add_help=False)
    cluster.add_argument(
        "--workers",
        type=whole(0, 100_000),
        metavar="N",
        help="number of local processes (default: one per core, fewer if memory is short), or of jobs of --cluster "
        "(default: 1); 0 uses no other process",
    )
    cluster.add_argument(
        "--wait",
        type=whole(1, 366 * 1_440),
        metavar="MINUTES",
        help="stop if no worker is available for this long (default: 5 for local workers, else wait forever)",
    )
    where = cluster.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler",
        type=text,
        metavar="ADDRESS",
        help="use a running Dask scheduler: its address, such as tcp://10.0.0.1:8786, or its scheduler file",
    )
    where.add_argument(
        "--cluster", choices=KINDS, metavar="KIND", help=f"batch system to start workers with: {', '.join(KINDS)}"
    )
    return cluster


def _add_catalog(catalog: argparse.ArgumentParser) -> None:
    catalog.add_argument(
        "--clips", type=text, required=True, metavar="DIR", help="folder of clips, or its URL; subfolders are included"
    )
    prompts = catalog.add_mutually_exclusive_group()
    prompts.add_argument(
        "--prompts",
        type=text,
        metavar="FILE|DIR",
        help="CSV, TSV, JSON or JSONL file with file, prompt and optionally prompt_group; or a folder, such as that "
        "of the clips, with a .txt file per clip",
    )
    prompts.add_argument(
        "--prompts-in-names",
        action="store_true",
        help="take prompts from the names of clips, such as 'a man runs-0.mp4'",
    )
    catalog.add_argument(
        "--real", action="store_true", help="the clips are camera footage; for sources without an entry in sources.toml"
    )
    catalog.add_argument("--retry-failed", action="store_true", help="read files again that failed before")


def _add_score(score: argparse.ArgumentParser) -> None:
    score.add_argument(
        "--profile",
        type=text,
        default="paper",
        metavar="P",
        help="paper, paper-fast, lite or the path of your own .toml file (default: paper)",
    )
    score.add_argument(
        "--metrics", type=_metrics, default=METRICS, metavar="M,…", help=f"some of {','.join(METRICS)} (default: all)"
    )
    score.add_argument("--device", choices=("cpu", "cuda"), help="where models run (default: a GPU if there is one)")
    score.add_argument(
        "--deadline",
        type=whole(1, 366 * 86_400),
        metavar="SECONDS",
        help="time per clip, after which it counts as failed (default: 900; a day for learnt models on a CPU)",
    )
    score.add_argument("--retry-failed", action="store_true", help="score clips again that failed under this profile")


def _add_label(label: argparse.ArgumentParser) -> None:
    label.add_argument(
        "--profile",
        type=text,
        metavar="P",
        help="profile of the scores (default: the only one with scores, else paper)",
    )
    label.add_argument(
        "--allow-mixed",
        action="store_true",
        help="rank scores of different devices or decoder versions together, and do not label clips that only have a "
        "score of an older configuration",
    )
    label.add_argument(
        "--by-format", action="store_true", help="rank clips only among those of the same size, rate and length"
    )


def _add_split(split: argparse.ArgumentParser) -> None:
    split.add_argument(
        "--labels",
        choices=("auto", "final"),
        default="auto",
        help="automatic labels, or final labels of the review (default: auto)",
    )
    split.add_argument(
        "--protocol",
        choices=("pooled", "hfv"),
        default="pooled",
        help="pooled: 80/20 inside every generator; hfv, as the paper: generators of role train in sources.toml to "
        "train and val, the others to test (default: pooled)",
    )
    split.add_argument(
        "--group",
        choices=("content", "prompt", "near"),
        default="content",
        help="clips that stay on one side: those of one content, of one prompt, or near duplicates (default: content)",
    )
    split.add_argument(
        "--allow-partial", action="store_true", help="also use clips that have fewer votes than required"
    )
    split.add_argument(
        "--overlap",
        type=votes,
        metavar="N",
        help="votes that a clip needs (default: as in the settings of the review)",
    )
    split.add_argument(
        "--strong-only",
        action="store_true",
        help="with final labels: keep in val only the anomalies that reviewers called strong, and train on the others",
    )


def _add_weights(weights: argparse.ArgumentParser) -> None:
    weights.add_argument(
        "action",
        choices=("pull", "check", "try"),
        help="pull: download missing files; check: only report; try: test the models on rendered scenes",
    )
    weights.add_argument(
        "--profile",
        type=text,
        default="paper",
        metavar="P",
        help="profile that needs the weights; audit or audit-rtdetr: a person detector of the audit (default: paper)",
    )
    weights.add_argument(
        "--dir", type=path, metavar="DIR", help="folder of the weights (default: $HFV_WEIGHTS, or your cache)"
    )
    weights.add_argument("--device", choices=("cpu", "cuda"), help="try: where (default: the GPU if there is one)")
    weights.add_argument(
        "--record", type=path, metavar="FILE", help="try: write the scores of twelve rendered clips to FILE"
    )
    weights.add_argument(
        "--compare", type=path, metavar="FILE", help="try: compare them with those that another machine recorded"
    )


def _add_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--out", type=path, default=Path("demo"), metavar="DIR", help="folder to write to (default: demo)"
    )
    demo.add_argument("--seed", type=seed, default=0, metavar="N", help="seed of the sample clips (default: 0)")
    demo.add_argument(
        "--workers", type=processes, metavar="N", help="number of local processes (default: one per core)"
    )


def _metrics(value: str) -> tuple[Metric, ...]:
    names = tuple(value.split(","))
    wrong = [name for name in names if name not in METRICS]
    if wrong:
        raise argparse.ArgumentTypeError(f"there is no metric {wrong[0]!r}; choose from {','.join(METRICS)}")
    return tuple(name for name in METRICS if name in names)
