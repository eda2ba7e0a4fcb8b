"""The floor `prior`: predictions from the three scores of the release, from which its automatic labels are made."""

import numpy as np

from hfv_builder.detectors.base import Curve, Fitting, Samples
from hfv_builder.detectors.config import Config as Config
from hfv_builder.detectors.tabular import Floats, Tabular
from hfv_builder.records import METRICS, UsageError


class Prior(Tabular):
    """A forest over the three scores."""

    def extractors(self) -> tuple[()]:
        """Return nothing: the scores are in the tables of the release."""
        return ()

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Fit the forest.

        Raises:
            UsageError: clips have no scores; missing scores alone would reveal their class.
        """
        lacking = np.asarray(np.isnan(self.table(train)).any(axis=1))
        if lacking.any():
            sources = ", ".join(sorted(train.rows["generator"][lacking].unique()))
            raise UsageError(
                f"prior needs the three scores of every clip to train with, and {lacking.sum()} of {len(lacking)} have "
                f"none ({sources}): run `hfv score --generator G` for these sources before the release is made"
            )
        return super().fit(train, val, fitting)

    def predict(self, samples: Samples) -> Floats:
        """Return the probabilities, (n, classes); NaN for a clip that lacks a score."""
        lacking = np.asarray(np.isnan(self.table(samples)).any(axis=1))
        return np.where(lacking[:, None], np.nan, super().predict(samples))

    def table(self, samples: Samples) -> Floats:
        """Return the scores, (n, 3); NaN where there is none."""
        return samples.rows[[metric.value for metric in METRICS]].to_numpy(np.float64, na_value=np.nan)
