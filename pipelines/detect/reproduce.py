"""Reproduce the tables of the paper on a release: train all detectors, evaluate them, and write the tables."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from hfv_builder.backends.batches import out_of_memory
from hfv_builder.detectors.config import Config
from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.detectors.registry import configure, create
from hfv_builder.detectors.run_folder import read_run
from hfv_builder.detectors.targets import classes_of
from hfv_builder.detectors.training import Diverged
from hfv_builder.evaluation.paper import beside, paper_tables
from hfv_builder.evaluation.tables import markdown
from hfv_builder.records import SOME_FAILED, Split, UsageError
from hfv_builder.storage.part_file import result_file
from hfv_builder.wording import counted
from pipelines.detect.evaluate import evaluate_runs
from pipelines.detect.prepare import HERE, Workplace, is_lite
from pipelines.detect.train import surroundings_of, train_run
from pipelines.outcome import SHOWN, Outcome, paragraphs, table

OUT = Path("reproduction")
FILE = "paper.md"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run of the tables."""

    name: str
    """What the tables call it."""
    detector: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """The values that differ from the detector's defaults."""


COMPARED = ("humansam", "cnndet", "f3net", "uni-fd", "timesformer")
PARTS = {"backbone": {"cat": False, "depth": False}, "cat": {"depth": False}, "depth": {}}
"""For Table 3: the modules that are left out."""
PLAN: tuple[Planned, ...] = (
    *(Planned(name=name, detector=name, values={"target": "anomaly"}) for name in COMPARED),
    *(
        Planned(name=f"humansam-{name}", detector="humansam", values={"target": "anomaly", "rank_loss": False} | parts)
        for name, parts in PARTS.items()
    ),
    *(Planned(name=f"{name}-binary", detector=name, values={"target": "binary"}) for name in COMPARED),
)
"""Tables 2, 3 and 4; Table 5 needs no further run."""


def reproduce(
    folder: Path,
    *,
    out: Path | None = None,
    detectors: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    seed: int = 0,
    place: Workplace = HERE,
) -> Outcome:
    """Train the missing runs, evaluate all runs, and write the paper's tables beside the reached figures.

    Exit code 3 if a clip cannot be read.

    Args:
        folder: the release.
        out: folder of the runs, the results and the tables; None: `reproduction/RELEASE`.
        detectors: those to train; none for all.
        values: tables of configuration by detector, which replace the defaults.
        seed: of training and of the bootstrap.
        place: where to compute.

    Raises:
        UsageError: weights are missing (all are listed before any training), the release is invalid, the
            configuration contradicts the tables, or runs failed, which are named after the others are in the tables.
    """
    started = time.time()
    release = read_release(folder)
    out = out or OUT / release.folder.name
    plan = _configured(detectors, values or {}, seed)
    _check(plan, release, place)
    failed: dict[str, str] = {}
    stopped: list[str] = []
    for own, config in plan:
        try:
            failed |= train_run(own.detector, config, release, out / "runs" / own.name, place)[1]
        except (Diverged, RuntimeError) as error:  # the other runs may take days, and do not need this one
            if not (isinstance(error, Diverged) or out_of_memory(error)):
                raise
            stopped.append(f"{own.name} is not trained: {str(error).splitlines()[0]}")
    done = [path.parent for path in sorted((out / "runs").glob("*/run.json")) if read_run(path.parent).done]
    evaluated = evaluate_runs(done, folder, out=out / "results", seed=seed, place=place)
    with (out / "results" / "results.parquet").open("rb") as file:
        figures = pd.read_parquet(file)
    _write(out / FILE, figures, release.name)
    if stopped:
        raise UsageError(*stopped, f"the tables of the other runs are in {out / FILE}")
    unread = [{"clip": path, "error": error} for path, error in sorted(failed.items())]
    text = paragraphs(
        table(
            unread,
            f"not used in training, {counted(len(unread), 'clip')} that cannot be read:",
            limit=SHOWN,
        ),
        table(
            [{"run": path.name, "folder": str(path)} for path in done],
            f"{counted(len(done), 'run is', 'runs are')} evaluated:",
        ),
        evaluated.text,
        f"the tables of the paper, beside these figures, are in {out / FILE}",
    )
    summary = evaluated.summary | {"runs": [str(path) for path in done], "tables": str(out / FILE)}
    summary |= {"failed": [*unread, *evaluated.summary["failed"]]}
    summary |= {"seconds": round(time.time() - started, 1)}
    return Outcome(
        summary=summary, text=text, exit_code=SOME_FAILED if failed else evaluated.exit_code, started=started
    )


def _configured(detectors: Sequence[str], values: Mapping[str, Any], seed: int) -> list[tuple[Planned, Config]]:
    """Return the runs of these detectors, or of all, with their configurations.

    Raises:
        UsageError: a detector is unknown, or a value is wrong or decided by the tables.
    """
    if unknown := sorted({*detectors, *values} - {*COMPARED}):
        raise UsageError(f"{unknown[0]} is not in the tables of the paper: choose from {', '.join(COMPARED)}")
    for own in PLAN:
        if fixed := sorted({*own.values} & {*values.get(own.detector, {})}):
            raise UsageError(
                f"the tables of the paper decide {own.detector}.{fixed[0]}: leave it out of the configuration"
            )
    return [
        (own, configure(own.detector, {"seed": seed, **own.values, **values.get(own.detector, {})}, own.name))
        for own in PLAN
        if not detectors or own.detector in detectors
    ]


def _check(plan: Sequence[tuple[Planned, Config]], release: Release, place: Workplace) -> None:
    """Create each detector once without training it, to report missing weights before days of training.

    Raises:
        UsageError: something is missing; the message has a sentence for each.
    """
    wrong: dict[str, None] = {}
    made: set[str] = set()
    for own, config in plan:
        try:
            classes = classes_of(release.clips(Split.TRAIN), config.target)
            if own.detector in made:
                continue
            made.add(own.detector)
            surroundings = surroundings_of(classes, place, lite=is_lite(release))
            create(own.detector, config, surroundings).extractors()
        except UsageError as error:
            wrong |= dict.fromkeys(map(str, error.args))
    if wrong:
        raise UsageError(*wrong)


def _write(path: Path, figures: pd.DataFrame, release: str) -> None:
    """Write the tables.

    Raises:
        UsageError: the folder cannot be written.
    """
    text = [
        f"# The paper's tables, reproduced on {release}",
        "In percent. *paper*: as printed in HumanSAM (Liu et al., ICCV 2025). *ours*: these runs; a dash where there "
        "is none. Averages are over the paper's sets that the release has. Both can be compared only if the release "
        "holds the paper's clips and labels. Intervals are in results/results.md.",
    ]
    for own in paper_tables():
        text += [f"## Table {own.number}: {own.title}", markdown(beside(own, figures))]
    with result_file(path) as part:
        part.write_text("\n\n".join(text) + "\n", encoding="utf-8")
