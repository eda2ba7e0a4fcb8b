"""The classes of a detector, and the conversion of its probabilities to those of the four classes."""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.evaluation.scores import PROBABILITIES
from hfv_builder.records import Label, UsageError

Target = Literal["binary", "anomaly", "generator"]
FAKE, REAL = "fake", "real"
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def classes_of(rows: pd.DataFrame, target: Target) -> tuple[str, ...]:
    """Return the names of the classes: fake and real, the four labels, or the generators in the rows.

    Raises:
        UsageError: the rows have fewer than two classes, or a class without a clip.
    """
    names = class_names(target, rows["generator"].unique())
    check_classes(class_ids(rows, target, names), names)
    return names


def class_names(target: Target, generators: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the classes of clips of these generators."""
    names = {"binary": (FAKE, REAL), "anomaly": tuple(map(str, Label))}
    return names[target] if target in names else tuple(sorted({*generators}))


def check_classes(ids: Ints, names: Sequence[str]) -> None:
    """Check the classes of clips to train with.

    Raises:
        UsageError: there are fewer than two classes, or one without a clip.
    """
    absent = sorted({*range(len(names))} - {*ids.tolist()})
    if absent or len(names) < 2:
        what = f"no {names[absent[0]]} clip" if absent else "one generator only"
        raise UsageError(
            f"the clips to train with have {what}: choose another --target, or train with a larger release"
        )


def class_ids(rows: pd.DataFrame, target: Target, classes: Sequence[str]) -> Ints:
    """Return the class of each row, (n,) int64, as its place in `classes`; −1 for an unknown generator."""
    if target == "generator":
        return pd.Index(classes).get_indexer(pd.Index(rows["generator"])).astype(np.int64)
    labels = rows["label"].to_numpy(np.int64)
    return (labels == Label.REAL).astype(np.int64) if target == "binary" else labels


def four_probabilities(
    probabilities: Floats, target: Target, classes: Sequence[str], real: Collection[str]
) -> pd.DataFrame:
    """Return the columns `PROBABILITIES`.

    Those of the anomalies are NaN if the detector does not distinguish them, and that of real clips if none of its
    classes is camera footage.

    Args:
        probabilities: (n, classes); NaN where there is none.
        target: the target of the detector.
        classes: the names of its classes.
        real: the classes among them that are camera footage, for the target `generator`.
    """
    if target == "anomaly":
        return pd.DataFrame(probabilities, columns=list(PROBABILITIES))
    is_real = [name in real if target == "generator" else name == REAL for name in classes]
    four = np.full((len(probabilities), len(Label)), np.nan)
    if any(is_real):
        four[:, Label.REAL] = probabilities[:, is_real].sum(axis=1)
    return pd.DataFrame(four, columns=list(PROBABILITIES))
