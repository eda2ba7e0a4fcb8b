"""Import the predictions of another program as a run."""

import time
from dataclasses import asdict
from pathlib import Path
from shlex import quote

import pandas as pd
import pyarrow as pa

from hfv_builder.detectors.reader import read_release
from hfv_builder.detectors.run_folder import (
    IMPORTED,
    RUNS,
    Run,
    Specification,
    read_run,
    write_predictions,
    write_run,
)
from hfv_builder.evaluation.imported import NONE, match
from hfv_builder.records import DONE, SOME_FAILED, UsageError
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.path_text import printable
from hfv_builder.wording import counted
from pipelines.outcome import SHOWN, Outcome, paragraphs, table


def import_predictions(name: str, file: Path, folder: Path, *, out: Path | None = None) -> Outcome:
    """Make a run from the predictions in a CSV or Parquet file, for `hfv evaluate` like any other run.

    Clips without a prediction and rows that match no clip are listed; exit code 3 if there are any.

    Args:
        name: of the run.
        file: the predictions.
        folder: the release that they are for.
        out: the run's folder; None: in `runs/RELEASE`.

    Raises:
        UsageError: the file cannot be read, lacks columns or has no valid prediction; or the folder holds something
            else.
    """
    started = time.time()
    if Path(name).name != name or name.startswith("."):
        raise UsageError(f"{name!r} cannot name a run: give a name without slashes, such as their-model")
    release = read_release(folder)
    matched = match(_read(file), release.sets)
    usable = int(matched.predictions.drop_duplicates(["clip_id", "variant"])["p_real"].notna().sum())
    if not usable:
        problem = next((f", such as {name}: {problem}" for name, problem in matched.problems if problem != NONE), "")
        raise UsageError(f"{file} has no valid prediction for a clip of {folder}{problem}")
    out = out or RUNS / release.folder.name / name
    made_by = file_sha256(file)
    specification = Specification(
        detector=IMPORTED,
        config={},
        target="anomaly" if matched.has_four else "binary",
        classes=(),
        real=(),
        generators=(),
        release=release.name,
        checksum="",
        fingerprint="",
        clips="",
        is_lite=False,
    )
    if out.is_dir() and any(out.iterdir()) and read_run(out).specification.detector != IMPORTED:
        raise UsageError(f"{out} holds a trained run: give another --name")
    run = Run(
        folder=out, specification=specification, done=True, facts={"weights": made_by, "file": printable(file.name)}
    )
    write_run(run)
    write_predictions(run.predictions_path(release.folder.name, release.checksum), matched.predictions, made_by=made_by)
    rows = [{"clip": clip, "problem": problem} for clip, problem in matched.problems]
    text = paragraphs(
        table(rows, f"{counted(len(rows), 'row or clip does', 'rows or clips do')} not match:", limit=SHOWN),
        f"predictions for {counted(usable, 'clip')} of {release.name} ({specification.target}) are in {out}; next: hfv "
        f"evaluate {quote(str(out))} --release {quote(str(folder))}",
    )
    details = {"problems": pa.Table.from_pylist(rows)} if rows else {}
    summary = {"run": str(out), "clips": usable, "specification": asdict(specification)}
    return Outcome(
        summary=summary, text=text, details=details, exit_code=SOME_FAILED if rows else DONE, started=started
    )


def _read(file: Path) -> pd.DataFrame:
    """Return the table in a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        if file.suffix == ".parquet":
            with file.open("rb") as source:
                return pd.read_parquet(source)
        return pd.read_csv(file, dtype={"clip_id": str, "file": str, "variant": str}, skipinitialspace=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{file} cannot be read as {file.suffix or 'CSV'} ({error}): give CSV or .parquet") from None
