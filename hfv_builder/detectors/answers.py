"""The predictions of a run by clip id: for all releases that it was evaluated on, and for the user's own clips."""

from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.detectors.run_folder import PREDICTIONS, Run, read_predictions, write_predictions
from hfv_builder.detectors.targets import FAKE, REAL
from hfv_builder.evaluation.scores import PROBABILITIES
from hfv_builder.records import Label, UsageError
from hfv_builder.storage.lock import lock

WAIT_S = 60.0
"""How long to wait for another command that keeps its answers, which takes a moment."""
OWN = "own"
"""The set of the user's own clips; the file of their predictions has this name too."""


def own_path(run: Run) -> Path:
    """Return the file of the answers for the user's own clips."""
    return run.folder / "predictions" / f"{OWN}.parquet"


def keep_answers(run: Run, answers: pd.DataFrame) -> None:
    """Add answers to those in the run's folder; a new answer for a clip replaces the earlier one.

    Args:
        run: the run.
        answers: clip_id and `PROBABILITIES`.
    """
    made_by = _made_by(run)
    with lock(run.folder, "answers", needed=False, wait_s=WAIT_S):
        known = read_predictions(own_path(run), made_by=made_by)
        rows = pd.concat([*([] if known is None else [known]), answers.assign(set=OWN, variant="")], ignore_index=True)
        write_predictions(own_path(run), rows.drop_duplicates("clip_id", keep="last"), made_by=made_by)


def answers_of(run: Run) -> dict[str, dict[str, Any]]:
    """Return by clip id the run, the probabilities by label (or of fake and real for a binary detector), and the
    answer.

    Variants of a clip do not count. An answer for the user's own clips takes precedence; if several releases hold a
    clip, the last release by name counts.

    Raises:
        UsageError: the run has predicted nothing.
    """
    made_by = _made_by(run)
    paths = sorted((run.folder / "predictions").glob("*.parquet"), key=lambda path: (path == own_path(run), path.name))
    tables = [table for path in paths if (table := read_predictions(path, made_by=made_by)) is not None]
    if not tables:
        folder = quote(str(run.folder))
        raise UsageError(
            f"{run.folder} has predicted nothing: run `hfv evaluate {folder} --release DIR`, or `hfv predict "
            f"{folder} CLIPS --keep`"
        )
    rows = pd.concat(tables, ignore_index=True)[PREDICTIONS.names]
    rows = rows[rows["variant"].eq("") & rows["p_real"].notna()].drop_duplicates("clip_id", keep="last")
    return {
        clip: _answer(run, four)
        for clip, four in zip(rows["clip_id"], rows[list(PROBABILITIES)].to_numpy(np.float64), strict=True)
    }


def _answer(run: Run, four: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, Any]:
    names = [str(label) for label in Label]
    if np.isnan(four).any():
        names, four = [FAKE, REAL], np.array([1 - four[Label.REAL], four[Label.REAL]])
    probabilities = dict(zip(names, four.tolist(), strict=True))
    return {"run": run.name, "answer": names[int(four.argmax())], "probabilities": probabilities}


def _made_by(run: Run) -> str:
    return str(run.facts.get("weights", ""))
