"""The folder of a run: detector, configuration, release and predictions. It is read without running anything.

run.json              detector, configuration, classes, release, versions, whether it is done
weights.safetensors   what was learnt
curve.parquet         a row per epoch: epoch, loss, val_accuracy
predictions/          a table per release: clip_id, set, variant and four probabilities
state/                of a training that is not done
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from hfv_builder.detectors.kept_table import read_kept, write_kept
from hfv_builder.detectors.targets import Target, class_names
from hfv_builder.evaluation.results import KEYS
from hfv_builder.evaluation.scores import PROBABILITIES
from hfv_builder.records import UsageError
from hfv_builder.storage.json_text import load_json
from hfv_builder.storage.part_file import result_file
from hfv_builder.storage.path_text import printable
from hfv_builder.storage.validation import first_problem

RUNS = Path("runs")
"""The folder of runs by default; those of a release are in one below it."""
IMPORTED = "imported"
"""The detector name of a run with imported predictions."""
PREDICTIONS = pa.schema({**dict.fromkeys(KEYS, pa.string()), **dict.fromkeys(PROBABILITIES, pa.float64())})


@dataclass(frozen=True, kw_only=True)
class Specification:
    """Everything that determines the result of a training. Equal specifications give equal figures on a CPU."""

    detector: str
    config: dict[str, Any]
    target: Target
    classes: tuple[str, ...]
    real: tuple[str, ...]
    """The classes that are camera footage."""
    generators: tuple[str, ...]
    """The generators of the training clips."""
    release: str
    """The name of the release's folder."""
    checksum: str
    """Of the release."""
    fingerprint: str
    """Of the features; empty without any."""
    clips: str
    """Hash of the clips that can be read."""
    is_lite: bool
    profile: str = ""
    """That made the scores of the release; empty if unknown."""
    origin: str = ""
    """SHA-256 of the published weights from which the training starts; empty without any, or if unknown."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that was read."""

    folder: Path
    specification: Specification
    done: bool
    facts: dict[str, Any]
    """Information for people: versions, device, seconds, numbers of clips."""

    @property
    def name(self) -> str:
        """Its name in tables."""
        return printable(Path(os.path.abspath(self.folder)).name)  # that of `.` is empty

    @property
    def weights(self) -> Path:
        """The file of the trained parameters."""
        return self.folder / "weights.safetensors"

    @property
    def state(self) -> Path:
        """The folder of the state of an unfinished training."""
        return self.folder / "state"

    def curve(self) -> pd.DataFrame:
        """Return the learning curve: epoch, loss, val_accuracy; empty for a detector without epochs.

        Raises:
            UsageError: the file is damaged.
        """
        path = self.folder / "curve.parquet"
        try:
            with path.open("rb") as file:
                return pd.read_parquet(file)
        except FileNotFoundError:
            return pd.DataFrame(columns=["epoch", "loss", "val_accuracy"])
        except (OSError, pa.ArrowException) as error:
            raise UsageError(f"{path} is damaged ({error}): delete it") from None

    def predictions_path(self, release: str, checksum: str) -> Path:
        """Return the file of the predictions for a release."""
        return self.folder / "predictions" / f"{release}-{checksum[:12]}.parquet"


ADAPTER = TypeAdapter(Run)


def read_run(folder: Path) -> Run:
    """Read the folder of a run.

    Raises:
        UsageError: it is not one.
    """
    path = folder / "run.json"
    try:
        content = load_json(path.read_text(encoding="utf-8"))
        run = ADAPTER.validate_python(content | {"folder": folder})
        _check_classes(run.specification)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{folder} is not a run: train one with `hfv train DETECTOR --release DIR`") from None
    except (OSError, ValueError, TypeError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"{path} cannot be read ({reason}): train the detector again into another --out") from None
    return run


def _check_classes(known: Specification) -> None:
    """Check that the classes are those of the target, since a run with others would give its answers wrong names.

    Raises:
        ValueError: they are not.
    """
    expected = class_names(known.target, (*known.generators, *known.real))
    if known.detector != IMPORTED and (known.classes != expected or known.config.get("target") != known.target):
        raise ValueError(f"it names other classes than those of the target {known.target}")


def write_run(run: Run) -> None:
    """Write run.json, atomically."""
    content = {"specification": asdict(run.specification), "done": run.done, "facts": run.facts}
    with result_file(run.folder / "run.json") as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_curve(folder: Path, curve: list[dict[str, float]]) -> None:
    """Write the learning curve, atomically."""
    with result_file(folder / "curve.parquet") as part:
        part.write_bytes(pd.DataFrame(curve).to_parquet())


def write_predictions(path: Path, predictions: pd.DataFrame, *, made_by: str) -> None:
    """Write predictions, sorted, atomically.

    Args:
        path: the file.
        predictions: the columns of `PREDICTIONS`.
        made_by: identifies the weights.
    """
    rows = predictions[PREDICTIONS.names].sort_values(["set", "variant", "clip_id"])
    table = pa.Table.from_pandas(rows, PREDICTIONS, preserve_index=False)
    write_kept(path, table, made_by=made_by)


def read_predictions(path: Path, *, made_by: str) -> pd.DataFrame | None:
    """Return predictions; None if there are none by these weights, or the file is damaged."""
    if (table := read_kept(path, made_by=made_by)) is None:
        return None
    rows: pd.DataFrame = table.to_pandas()
    return None if rows.columns.tolist() != PREDICTIONS.names or rows.duplicated(KEYS).any() else rows
