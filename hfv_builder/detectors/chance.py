"""The floor `chance`: every clip gets the share of each class in train."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.detectors.arrays import load_arrays, save_arrays
from hfv_builder.detectors.base import Curve, Fitting, Samples, Surroundings
from hfv_builder.detectors.config import Config

Floats = npt.NDArray[np.float64]


class Chance:
    """A detector without input."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        classes = len(surroundings.classes)
        self._shares: Floats = np.full(classes, 1 / classes)

    def extractors(self) -> tuple[()]:
        """Return nothing: it needs no features."""
        return ()

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Count the classes."""
        counts = np.bincount(train.classes, minlength=len(self._shares))
        self._shares = counts / counts.sum()
        return []

    def predict(self, samples: Samples) -> Floats:
        """Return the same shares for every clip, (n, classes)."""
        return np.tile(self._shares, (len(samples.rows), 1))

    def save(self, path: Path) -> None:
        """Write the shares."""
        save_arrays(path, {"shares": self._shares})

    def load(self, path: Path) -> None:
        """Read the shares."""
        self._shares = load_arrays(path)["shares"]
