"""Evaluate runs on a release, beside the floors, and write tables and a page."""

import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.detectors.registry import DETECTORS, FLOORS, configure, spec_of
from hfv_builder.detectors.run_folder import IMPORTED, Run, read_run
from hfv_builder.evaluation import tables
from hfv_builder.evaluation.page import FILE, page
from hfv_builder.evaluation.results import MEAN, Contender, Results, differences_table, evaluate, figures_table
from hfv_builder.records import DONE, SOME_FAILED, UsageError
from hfv_builder.storage.part_file import result_file
from hfv_builder.storage.path_text import printable
from hfv_builder.wording import counted
from pipelines.alone import alone
from pipelines.detect.predict import Predicted, predict
from pipelines.detect.prepare import HERE, Workplace
from pipelines.detect.train import train_run
from pipelines.outcome import SHOWN, Outcome, paragraphs, table

RESULTS = Path("results")
TARGETS = ("anomaly", "binary")
"""Targets of the floors: the first one for which the release has clips is used."""


def evaluate_runs(
    runs: Sequence[Path], folder: Path, *, out: Path | None = None, seed: int = 0, place: Workplace = HERE
) -> Outcome:
    """Evaluate runs and the floors on the evaluation sets of a release; write tables and a page.

    Args:
        runs: folders of runs.
        folder: the release.
        out: folder of the results; None: `results/RELEASE`.
        seed: of the bootstrap.
        place: where to compute.

    Raises:
        UsageError: a run or the release is invalid, or the results cannot be written.
    """
    started = time.time()
    release = read_release(folder)
    if release.sets["set"].eq(MEAN).any():
        raise UsageError(f"{folder} has an evaluation set named {MEAN}, the name of the means of all sets: rename it")
    out = out or RESULTS / release.folder.name
    own = [read_run(run) for run in dict.fromkeys(runs)]
    # Before the floors are trained, so that an unusable run is named at once.
    predicted = [(run, name, predict(run, release, place)) for run, name in zip(own, _unique_names(own), strict=True)]
    with alone(out / "floors", "evaluate"):
        return _evaluate(predicted, release, out=out, seed=seed, place=place, started=started)


def _evaluate(
    predicted: Sequence[tuple[Run, str, Predicted]],
    release: Release,
    *,
    out: Path,
    seed: int,
    place: Workplace,
    started: float,
) -> Outcome:
    """Evaluate these runs, given their names and predictions, beside the floors, and write the tables."""
    floors, remarks = _floors(release, out / "floors", place)
    of_floors = [(floor, floor.name, predict(floor, release, place)) for floor in floors]
    contenders: list[Contender] = []
    looks_at: dict[str, str] = {}
    failed: dict[str, str] = {}
    for run, name, own in [*of_floors, *predicted]:
        failed |= own.failed
        contenders.append(_contender(run, name, own.rows))
        detector = run.specification.detector
        looks_at[name] = "imported predictions" if detector == IMPORTED else spec_of(detector).looks_at
    if not contenders:
        raise UsageError(
            "there is nothing to evaluate: name a run, or give a release on which floors can be trained", *remarks
        )
    remarks += _remarks(release, [run for run, _, _ in predicted])
    results = evaluate(contenders, release.sets, seed=seed)
    differences = differences_table(results, release.sets)
    _write(results, differences, out, release=release.name, looks_at=looks_at, remarks=remarks)
    summary_rows = tables.summary_rows(results)
    rows = [{"clip": path, "error": error} for path, error in sorted(failed.items())]
    text = paragraphs(
        table(
            summary_rows, f"{release.name}, means over {counted(len(results.sets), 'set')} in percent (95 % interval):"
        ),
        "\n".join([*remarks, *tables.notes(results)]),
        table(
            rows,
            f"not counted in any figure, {counted(len(rows), 'clip')} that cannot be read:",
            limit=SHOWN,
        ),
        f"the page is {out / FILE}; results.parquet, results.md and results.tex are beside it",
    )
    summary = {
        "release": release.name,
        "results": str(out),
        "table": summary_rows,
        "figures": [row for row in figures_table(results).to_dict("records") if row["set"] == MEAN],
        "remarks": [*remarks, *tables.notes(results)],
        "failed": rows,
        "seconds": round(time.time() - started, 1),
    }
    return Outcome(summary=summary, text=text, exit_code=SOME_FAILED if failed else DONE, started=started)


def _floors(release: Release, folder: Path, place: Workplace) -> tuple[list[Run], list[str]]:
    """Return the trained floors, and the reasons for those that cannot be trained."""
    floors, remarks = [], []
    for name in FLOORS:
        reasons: list[UsageError] = []
        for target in TARGETS:
            try:
                config = configure(name, {"target": target}, name)
                at = folder / release.checksum[:12] / target / name
                floors.append(train_run(name, config, release, at, place, is_floor=True)[0])
                break
            except UsageError as error:
                reasons.append(error)
        else:
            remarks.append(f"the floor {name} is left out: {reasons[-1]}")
    return floors, remarks


def _contender(run: Run, name: str, predictions: pd.DataFrame) -> Contender:
    specification = run.specification
    spec = DETECTORS.get(specification.detector)
    return Contender(
        name=name,
        detector=specification.detector,
        target=specification.target,
        trained_on=" + ".join(specification.generators),
        is_floor=bool(spec and spec.is_floor),
        predictions=predictions,
    )


def _unique_names(runs: Sequence[Run]) -> list[str]:
    """Return the names of the runs; runs of equal names also get the name of their parent folder."""
    names = [run.name for run in runs]
    unique: list[str] = []
    for run, name in zip(runs, names, strict=True):
        if names.count(name) > 1 or name in FLOORS:
            name = f"{printable(Path(os.path.abspath(run.folder)).parent.name)}/{name}"
        numbered = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
        unique.append(next(own for own in numbered if own not in unique))
    return unique


def _remarks(release: Release, runs: Sequence[Run]) -> list[str]:
    """Return remarks for readers on these runs and this release."""
    remarks = []
    if release.is_pooled:
        remarks.append("the release has no test clips: the sets are its validation clips, of the generators in train")
    if others := [run.name for run in runs if run.specification.checksum not in ("", release.checksum)]:
        remarks.append(f"{', '.join(others)}: trained on another release; its train may contain clips of these sets")
    return remarks


def _write(
    results: Results,
    differences: pd.DataFrame,
    out: Path,
    *,
    release: str,
    looks_at: dict[str, str],
    remarks: list[str],
) -> None:
    """Write all results.

    Raises:
        UsageError: the folder cannot be written.
    """
    parts = {"Means over the sets": tables.summary_rows(results)}
    parts |= {
        f"{tables.NAMES[figure]} by set": tables.set_rows(results, figure) for figure in ("binary_auc", "accuracy")
    }
    if len(results.variants) > 1:
        parts |= {
            f"{tables.NAMES[figure]} by variant": tables.variant_rows(results, figure)
            for figure in ("accuracy", "binary_auc")
        }
    if matrix := tables.matrix_rows(results):
        parts["AUC real/fake across generators"] = matrix
    notes = [*remarks, *tables.notes(results)]
    text = [f"# Detectors on {release}", "In percent, with 95 % bootstrap intervals.", *(f"- {note}" for note in notes)]
    for title, rows in parts.items():
        text += [f"## {title}", tables.markdown(rows)]
    latex = (tables.latex(rows, f"{title}, in percent.".replace("%", r"\%")) for title, rows in parts.items())
    files = {
        "results.md": "\n\n".join(text) + "\n",
        "results.tex": "\n".join(latex),
        FILE: page(results, differences, release=release, looks_at=looks_at, remarks=remarks),
    }
    for name, content in files.items():
        with result_file(out / name) as part:
            part.write_text(content, encoding="utf-8")
    for name, frame in {"results": figures_table(results), "differences": differences}.items():
        with result_file(out / f"{name}.parquet") as part:
            part.write_bytes(frame.to_parquet())
