"""`hfv train`, `hfv evaluate`, `hfv predict` and `hfv reproduce`: from their arguments to the stages.

Arguments that are plainly wrong are refused before the stages are imported, which takes seconds.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hfv_builder.detectors.config import read_config
from hfv_builder.detectors.registry import spec_of
from hfv_builder.detectors.run_folder import read_run
from hfv_builder.records import UsageError
from hfv_builder.release.layout import tables_of
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.part_file import require_folder
from pipelines.detect.given_clips import clips_in
from pipelines.outcome import Outcome

if TYPE_CHECKING:
    from pipelines.detect.prepare import Workplace

IMPORT = Path("import")


def run(manifests: Manifests, options: argparse.Namespace) -> Outcome:
    """Run the command that the arguments name.

    Raises:
        UsageError: it cannot be run, or the memory does not suffice.
    """
    try:
        return COMMANDS[options.command](manifests, options)
    except RuntimeError as error:
        from hfv_builder.backends.batches import out_of_memory

        if not out_of_memory(error):
            raise
        raise UsageError(
            f"memory does not suffice ({str(error).splitlines()[0][:200]}): end other programs that use it, or train "
            "with a smaller batch (--set batch=N)"
        ) from None


def run_train(manifests: Manifests, options: argparse.Namespace) -> Outcome:
    """Train the detector that the arguments describe.

    Raises:
        UsageError: the arguments contradict each other, or a path is plainly wrong.
    """
    values = read_config(options.config, options.set)
    values |= {name: value for name, value in (("target", options.target), ("seed", options.seed)) if value is not None}
    if options.generator:
        values["generators"] = options.generator
    if options.resume and values:
        raise UsageError("a run that is resumed has its own configuration: leave out the other options, or --resume")
    spec_of(options.detector)
    _check_paths(options)
    from pipelines.detect.train import train

    place = _place(manifests, options)
    return train(options.detector, options.release, values=values, out=options.out, resume=options.resume, place=place)


def run_evaluate(manifests: Manifests, options: argparse.Namespace) -> Outcome:
    """Evaluate runs, or import predictions.

    Raises:
        UsageError: the arguments contradict each other, or a path is plainly wrong.
    """
    if options.runs == [IMPORT]:
        if options.name is None or options.predictions is None:
            raise UsageError(
                "name the run and the file: `hfv evaluate import --name N --predictions FILE --release DIR`"
            )
        _check_paths(options)
        from pipelines.detect.imports import import_predictions

        return import_predictions(options.name, options.predictions, options.release, out=options.out)
    if options.name is not None or options.predictions is not None:
        raise UsageError("--name and --predictions belong to `hfv evaluate import`")
    _check_paths(options)
    for run in options.runs:
        read_run(run)
    from pipelines.detect.evaluate import evaluate_runs

    place = _place(manifests, options)
    return evaluate_runs(options.runs, options.release, out=options.out, seed=options.seed, place=place)


def run_predict(manifests: Manifests, options: argparse.Namespace) -> Outcome:
    """Predict the clips that the arguments name.

    Raises:
        UsageError: there is no such run or clip, or --out cannot be written.
    """
    read_run(options.run)
    clips = clips_in(options.clips)
    require_folder(options.out)
    from pipelines.detect.own_clips import predict_clips
    from pipelines.detect.prepare import Workplace

    place = Workplace(device=options.device, threads=options.threads, manifests=manifests)
    return predict_clips(options.run, clips, out=options.out, keep=options.keep, place=place)


def run_reproduce(manifests: Manifests, options: argparse.Namespace) -> Outcome:
    """Reproduce the tables of the paper.

    Raises:
        UsageError: the configuration cannot be read, or a path is plainly wrong.
    """
    values = read_config(options.config, [])
    if wrong := [name for name, own in values.items() if not isinstance(own, dict)]:
        raise UsageError(f"{options.config}: {wrong[0]} is in no table: put it below [cnndet], or another detector")
    _check_paths(options)
    from pipelines.detect.reproduce import reproduce

    return reproduce(
        options.release,
        out=options.out,
        detectors=options.detector,
        values=values,
        seed=options.seed,
        place=_place(manifests, options),
    )


def _check_paths(options: argparse.Namespace) -> None:
    """Check the release and the folder to write to.

    Raises:
        UsageError: the first is no release, or the second cannot be written.
    """
    tables_of(options.release)
    require_folder(options.out)


def _place(manifests: Manifests, options: argparse.Namespace) -> "Workplace":
    from pipelines.detect.prepare import Workplace

    return Workplace(cache=options.cache, device=options.device, threads=options.threads, manifests=manifests)


COMMANDS: Mapping[str, Callable[[Manifests, argparse.Namespace], Outcome]] = {
    "train": run_train,
    "evaluate": run_evaluate,
    "predict": run_predict,
    "reproduce": run_reproduce,
}
"""Function that runs a command."""
