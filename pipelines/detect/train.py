"""Train a detector on a release."""

import contextlib
import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import pandas as pd
from tqdm import tqdm

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.base import Curve, Detector, Fitting, HasOrigin, Surroundings, fingerprint_of
from hfv_builder.detectors.config import Config, config_values
from hfv_builder.detectors.processes import Processes, is_main
from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.detectors.registry import configure, create, spec_of
from hfv_builder.detectors.run_folder import RUNS, Run, Specification, read_run, write_curve, write_run
from hfv_builder.detectors.targets import check_classes, classes_of
from hfv_builder.records import DONE, SOME_FAILED, Label, Split, UsageError
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.path_text import printable
from hfv_builder.wording import counted
from pipelines.alone import alone
from pipelines.detect.prepare import HERE, Prepared, Workplace, is_lite, prepare, profile_of
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.versions import versions

ADDED = ("profile", "origin")
"""Values that the runs of earlier versions do not have."""
HELD_OUT = 10
"""Without test clips, validation clips are evaluated; one of this many clips of train is then used to choose the
epoch."""


def train(
    detector: str,
    folder: Path,
    *,
    values: Mapping[str, Any],
    out: Path | None = None,
    resume: bool = False,
    place: Workplace = HERE,
) -> Outcome:
    """Train a detector, or resume an interrupted training; a finished training is not repeated.

    Args:
        detector: its name in the registry.
        folder: the release.
        values: the configuration, by key.
        out: the run's folder; None: in `runs/RELEASE`, named by the detector and what differs from its defaults.
        resume: resume the run in `out`, with its own configuration.
        place: where to compute.

    Raises:
        UsageError: the release, the configuration or the folder is invalid.
    """
    started = time.time()
    release = read_release(folder)
    if resume:
        if out is None:
            raise UsageError("name the run to resume: --resume --out DIR")
        known = read_run(out).specification
        if known.detector != detector:
            raise UsageError(f"{out} is a run of {known.detector}: give that name, or another --out")
        values = known.config
    config = configure(detector, values, "the configuration")
    run, failed = train_run(
        detector, config, release, out or RUNS / release.folder.name / run_name(detector, config), place
    )
    seconds = time.time() - started
    rows = [{"clip": path, "error": error} for path, error in failed.items()]
    curve: Any = run.curve().to_dict("records")
    text = paragraphs(
        table(curve[-5:], "the last epochs:"),
        table(
            rows,
            f"left out, {counted(len(rows), 'clip')} that cannot be read:",
            limit=10,
        ),
        f"{detector} was trained on {counted(run.facts['clips'], 'clip')} of {release.name} "
        f"({', '.join(run.specification.classes)}) in {seconds:.0f} s",
        f"the run is {run.folder}; next: hfv evaluate {quote(str(run.folder))} --release {quote(str(folder))}",
    )
    summary = {"run": str(run.folder), "detector": detector, "seconds": round(seconds, 1), **run.facts}
    summary |= {"config": run.specification.config, "curve": curve, "failed": rows}
    return Outcome(
        summary=summary, text=text if is_main() else "", exit_code=SOME_FAILED if failed else DONE, started=started
    )


def train_run(
    name: str, config: Config, release: Release, out: Path, place: Workplace, *, is_floor: bool = False
) -> tuple[Run, dict[str, str]]:
    """Return the trained run, and by path the clips that cannot be read.

    Args:
        name: of the detector.
        config: its configuration.
        release: the release.
        out: the run's folder.
        place: where to compute.
        is_floor: whether the evaluation made the folder: there is no progress bar, and another run in it is replaced.

    Raises:
        UsageError: the folder holds another run, or the release lacks what the detector needs.
    """
    rows, held_out = _divided(release, config, choose_epoch=spec_of(name).has_epochs)
    classes = classes_of(rows, config.target)
    processes = Processes(place.chosen_device)
    detector = create(name, config, surroundings_of(classes, place, lite=is_lite(release)))
    with processes.main_first():
        ready, val = (prepare(release, part, detector, config.target, classes, place) for part in (rows, held_out))
    if not len(ready.samples.rows):
        raise UsageError(f"no clip of {release.folder} can be read, such as {_first(ready.failed)}")
    check_classes(ready.samples.classes, classes)
    run = Run(
        folder=out,
        specification=_specification(name, config, release, detector, classes, (ready, val)),
        done=False,
        facts=_facts(ready, val, place),
    )
    failed = ready.failed | val.failed
    with contextlib.ExitStack() as stack:
        with processes.main_first():
            if is_floor and processes.is_main:
                _remove_other(run)
            if _is_done(run, failed):
                return read_run(out), failed
            if processes.is_main:
                stack.enter_context(alone(out, "train"))
                if _is_done(run, failed):  # by a command that has just ended
                    return read_run(out), failed
                write_run(run)
                run.state.mkdir(exist_ok=True)
        _fit(detector, run, ready, val, processes, title="" if is_floor else f"train {name}")
    processes.wait()
    return read_run(out), failed


def _fit(detector: Detector, run: Run, ready: Prepared, val: Prepared, processes: Processes, *, title: str) -> None:
    """Train the detector and write the run.

    Args:
        detector: the detector.
        run: the run, whose folder exists.
        ready: the clips for training.
        val: the clips for choosing the epoch.
        processes: the processes of the training.
        title: of the progress bar; empty for none.
    """
    with tqdm(desc=title, unit="epoch", disable=None if title and processes.is_main else True) as bar:

        def report(curve: Curve, epochs: int) -> None:
            write_curve(run.folder, curve)
            bar.total = epochs
            bar.update(len(curve) - bar.n)
            bar.set_postfix({key: f"{value:.4g}" for key, value in curve[-1].items() if key != "epoch"})

        curve = detector.fit(ready.samples, val.samples, Fitting(folder=run.state, report=report))
    if processes.is_main:
        write_curve(run.folder, curve)
        detector.save(run.weights)
        write_run(replace(run, done=True, facts=run.facts | {"weights": file_sha256(run.weights)}))
        shutil.rmtree(run.state, ignore_errors=True)


def surroundings_of(classes: tuple[str, ...], place: Workplace, *, lite: bool) -> Surroundings:
    """Return the inputs of a detector's constructor.

    Args:
        classes: the names of its classes.
        place: where it computes.
        lite: whether it is for releases of the profile lite.
    """
    return Surroundings(
        classes=classes,
        device=place.chosen_device,
        weights=place.weights or WeightsDir(otherwise=""),
        is_lite=lite,
    )


def run_name(detector: str, config: Config) -> str:
    """Return a name that says what differs from the defaults: `clip-svm-binary-linear`."""
    default = type(config)()
    names = [name for name in type(config).__dataclass_fields__ if getattr(config, name) != getattr(default, name)]
    parts = [(name, getattr(config, name)) for name in names]
    texts = ["+".join(map(str, value)) if isinstance(value, tuple) else str(value) for _, value in parts]
    named = [
        text if isinstance(getattr(config, name), str | tuple) else f"{name}{text}"
        for (name, _), text in zip(parts, texts, strict=True)
    ]
    return "-".join(
        [detector, *("".join(c if c.isalnum() or c in "._+" else "_" for c in text)[:40] for text in named)]
    )


def _divided(release: Release, config: Config, *, choose_epoch: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the clips for training and those for choosing the epoch, both of the chosen generators."""
    rows, val = release.clips(Split.TRAIN), release.clips(Split.VAL)
    if release.is_pooled:
        val = rows[rows["clip_id"].map(_held_out)] if choose_epoch else rows[:0]
        rows = rows.drop(val.index)
    if config.generators:
        known = sorted(rows.loc[rows["label"].ne(Label.REAL), "generator"].unique())
        if unknown := sorted({*config.generators} - {*known}):
            raise UsageError(f"no clip of {unknown[0]} is in train: choose from {', '.join(known)}")
        kept = [own["generator"].isin(config.generators) | own["label"].eq(Label.REAL) for own in (rows, val)]
        rows, val = rows[kept[0]], val[kept[1]]
    if not len(rows):
        raise UsageError(f"{release.folder} has no clips to train with: data/train is empty")
    return rows.sort_values("clip_id"), val.sort_values("clip_id")


def _held_out(clip_id: str) -> bool:
    return int(hashlib.sha256(clip_id.encode()).hexdigest()[:8], 16) % HELD_OUT == 0


def _specification(
    name: str,
    config: Config,
    release: Release,
    detector: Detector,
    classes: tuple[str, ...],
    parts: tuple[Prepared, ...],
) -> Specification:
    rows = parts[0].samples.rows
    contents = "\n".join(content for part in parts for content in ("-", *part.contents))
    return Specification(
        detector=name,
        config=config_values(config),
        target=config.target,
        classes=classes,
        real=tuple(sorted(rows.loc[rows["label"].eq(Label.REAL), "generator"].unique())),
        generators=tuple(sorted(rows.loc[rows["label"].ne(Label.REAL), "generator"].unique())),
        release=release.name,
        checksum=release.checksum,
        fingerprint=fingerprint_of(detector),
        clips=hashlib.sha256(contents.encode()).hexdigest(),
        is_lite=is_lite(release),
        profile=profile_of(release),
        origin=detector.origin if isinstance(detector, HasOrigin) else "",
    )


def _facts(ready: Prepared, val: Prepared, place: Workplace) -> dict[str, Any]:
    counts = {"clips": len(ready.samples.rows), "val_clips": len(val.samples.rows)}
    return counts | {"device": place.chosen_device, "versions": versions()}


def _is_done(run: Run, failed: Mapping[str, str]) -> bool:
    """Return whether the folder holds this run, trained.

    Args:
        run: the run.
        failed: clips that cannot be read.

    Raises:
        UsageError: it holds another one, or something else.
    """
    if not (run.folder / "run.json").exists():
        own = run.folder.iterdir() if run.folder.is_dir() else ()
        if any(not path.name.startswith(".") for path in own):  # except for files that a kill leaves
            raise UsageError(f"{run.folder} is not empty and not a run: give another --out")
        return False
    known = read_run(run.folder)
    differing = [
        name
        for name, value in vars(run.specification).items()
        if value != (own := getattr(known.specification, name)) and (own or name not in ADDED)
    ]
    if differing:
        unread = (
            f" ({len(failed)} cannot be read, such as {_first(failed)})" if differing == ["clips"] and failed else ""
        )
        raise UsageError(
            f"{run.folder} holds a run that differs in {', '.join(differing)}{unread}: give another --out, or delete it"
        )
    return known.done and run.weights.is_file() and file_sha256(run.weights) == known.facts.get("weights")


def _remove_other(run: Run) -> None:
    """Delete the run in the folder if it is another one, such as one that was trained before a clip was repaired."""
    with contextlib.suppress(UsageError):
        if read_run(run.folder).specification == run.specification:
            return
    shutil.rmtree(run.folder, ignore_errors=True)


def _first(failed: Mapping[str, str]) -> str:
    path = min(failed)
    return printable(f"{path}: {failed[path]}")
