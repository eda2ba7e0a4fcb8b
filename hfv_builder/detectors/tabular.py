"""The shared part of detectors with a few numbers per clip as input: a forest."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.detectors import forest
from hfv_builder.detectors.arrays import load_arrays, save_arrays
from hfv_builder.detectors.base import Curve, Fitting, Samples, Surroundings
from hfv_builder.detectors.config import Config

Floats = npt.NDArray[np.float64]


class Tabular:
    """A detector whose subclass chooses the numbers."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._seed = config.seed
        self._forest: forest.Forest
        """Set by `fit` and `load`."""

    def table(self, samples: Samples) -> Floats:
        """Return the numbers of each clip, (n, numbers) float64; NaN if unknown."""
        raise NotImplementedError

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Fit the forest."""
        self._forest = forest.fit(self.table(train), train.classes, seed=self._seed)
        return []

    def predict(self, samples: Samples) -> Floats:
        """Return the probabilities, (n, classes)."""
        return self._forest.probabilities(self.table(samples))

    def save(self, path: Path) -> None:
        """Write the trees as arrays."""
        save_arrays(path, self._forest.arrays())

    def load(self, path: Path) -> None:
        """Read the trees."""
        self._forest = forest.Forest(**load_arrays(path))
