"""The command line, `hfv STAGE`: parse arguments, run one stage and print its outcome.

Only the standard library is imported until a stage runs, so that `--help` is fast.
"""

import argparse
import logging
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hfv_builder.records import DONE, INTERRUPTED, OUR_FAULT, SOME_FAILED, WRONG_USE
from hfv_builder.storage.path_text import path_text, printable
from pipelines.arguments import parser
from pipelines.streams import close_stdout, open_streams
from pipelines.workers.cluster import Cluster
from pipelines.workers.faults import Fault

if TYPE_CHECKING:
    from hfv_builder.storage.manifest import Manifests
    from pipelines.outcome import Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 internal error, 2 wrong use, 3 done but some clips failed."""
    open_streams()
    options = parser().parse_args(arguments)
    logger = logging.getLogger("hfv_builder")
    logger.handlers = [logging.StreamHandler(sys.stderr)] if options.verbose else []
    logger.setLevel(logging.INFO if options.verbose else logging.WARNING)
    try:
        return _run(options)
    except KeyboardInterrupt:
        what = "only answers of --keep are stored" if options.command == "predict" else NOTHING_LOST
        print(f"\ninterrupted; {what}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        close_stdout()  # its reader has exited, such as `| head`
        return DONE


def _run(options: argparse.Namespace) -> int:
    from hfv_builder.records import UsageError
    from hfv_builder.storage.manifest import Manifests
    from hfv_builder.storage.places import answering, reach, typed_place
    from pipelines.outcome import record

    try:
        with answering("the store cannot be used"):
            manifests = Manifests(reach(typed_place(path_text(options.manifests))))
            outcome: Outcome = STAGES[options.command](manifests, options)
            if outcome.exit_code in (DONE, SOME_FAILED) and options.command in RECORDED:
                record(manifests, options.command, outcome)
    except UsageError as error:
        if options.verbose:
            traceback.print_exc()
        print(f"hfv {options.command}: {_sentences(error)}", file=sys.stderr)
        return WRONG_USE
    except Fault as error:
        print(f"hfv {options.command}: {_sentences(error)}", file=sys.stderr)
        return OUR_FAULT
    except ModuleNotFoundError as error:
        if options.command not in EXTRAS or str(error.name).partition(".")[0] in OURS:
            raise
        cure = f"install with `pip install -e '.[{EXTRAS[options.command]}]'`"
        print(f"hfv {options.command}: it needs {error.name}: {cure}", file=sys.stderr)
        return WRONG_USE
    try:
        print(outcome.json() if options.json else outcome.terminal(verbose=options.verbose), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:  # of a file on a full disk
        close_stdout()
        print(f"hfv {options.command}: it is done, but its output cannot be written: {error.strerror}", file=sys.stderr)
        return WRONG_USE
    return outcome.exit_code


def _sentences(error: Exception) -> str:
    return "\n".join(printable(str(sentence)) for sentence in error.args)


def _cluster(options: argparse.Namespace) -> Cluster:
    """Return the choice of workers for a stage."""
    return Cluster(workers=options.workers, scheduler=options.scheduler, kind=options.cluster, wait_min=options.wait)


def _catalog(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from hfv_builder.storage.places import typed_place
    from pipelines.catalog.stage import catalog

    return catalog(
        manifests,
        options.generator,
        typed_place(path_text(options.clips)),
        prompts=typed_place(path_text(options.prompts)) if options.prompts else None,
        prompts_in_names=options.prompts_in_names,
        real=options.real,
        retry_failed=options.retry_failed,
        cluster=_cluster(options),
    )


def _score(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from hfv_builder.profiles.profile import load_profile
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
    from pipelines.split.stage import split

    return split(
        manifests,
        options.generator,
        options.labels,
        protocol=options.protocol,
        group=options.group,
        allow_partial=options.allow_partial,
        overlap=options.overlap,
        strong_only=options.strong_only,
    )


def _release(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.release.commands import run

    return run(manifests, options, _cluster(options))


def _audit(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from hfv_builder.storage.places import typed_place
    from pipelines.audit.stage import audit

    return audit(
        manifests,
        options.generator,
        against=typed_place(path_text(options.against)) if options.against else None,
        release=options.release,
        topics=typed_place(path_text(options.topics)) if options.topics else None,
        people=options.people,
        retry_failed=options.retry_failed,
        cluster=_cluster(options),
    )


def _select(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.select.stage import select

    return select(
        manifests,
        options.generator,
        per_generator=options.per_generator,
        balance=options.balance,
        seed=options.seed,
        everything=options.all,
    )


def _detect(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.detect.commands import run

    return run(manifests, options)


def _status(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.status import status

    return status(manifests)


def _show(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.show import show

    return show(manifests, options.clip)


def _weights(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.weights_command import run

    return run(options)


def _review(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.review import review

    return review(
        manifests,
        host=options.host,
        port=options.port,
        users=options.users,
        settings=options.settings,
        overlap=options.overlap,
        cache_gb=options.cache_gb,
        db=options.db,
        into=_into(options),
        names=options.name,
        clips=options.clips,
        run=options.run,
        verbose=options.verbose,
    )


def _reviews(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.review import add_user, daily_summary, export_reviews

    if options.action == "export":
        return export_reviews(manifests, db=options.db, into=_into(options), overlap=options.overlap)
    if options.action == "daily":
        return daily_summary(manifests, db=options.db, csv=options.csv)
    return add_user(options.user, options.users, role=options.role, generators=options.generator, queues=options.queue)


def _into(options: argparse.Namespace) -> "Manifests | None":
    from hfv_builder.storage.manifest import Manifests
    from hfv_builder.storage.places import reach, typed_place

    return None if options.into is None else Manifests(reach(typed_place(path_text(options.into))))


def _demo(manifests: "Manifests", options: argparse.Namespace) -> "Outcome":
    from pipelines.demo.command import run

    return run(options.out, seed=options.seed, workers=options.workers)


STAGES = {
    "catalog": _catalog,
    "score": _score,
    "label": _label,
    "split": _split,
    "release": _release,
    "select": _select,
    "audit": _audit,
    "train": _detect,
    "evaluate": _detect,
    "predict": _detect,
    "reproduce": _detect,
    "status": _status,
    "show": _show,
    "weights": _weights,
    "review": _review,
    "reviews": _reviews,
    "demo": _demo,
}
"""Function that runs a command."""
EXTRAS = {
    "score": "models",
    "weights": "models",
    "release": "release",
    "audit": "audit",
    "train": "detect",
    "evaluate": "detect",
    "predict": "detect",
    "reproduce": "detect",
    "review": "review",
    "reviews": "review",
    "demo": "demo",
}
"""Extra with the additional packages that a command needs."""
NOTHING_LOST = "nothing is lost, run the same command to resume"
OURS = frozenset({"hfv_builder", "pipelines", "review_ui"})
RECORDED = frozenset({"catalog", "score", "label", "split", "select", "audit"})
"""Commands that write a run report; others only read, or use other manifests."""


if __name__ == "__main__":
    sys.exit(main())
