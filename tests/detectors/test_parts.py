"""Predictions of many clips survive an interrupt."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hfv_builder.detectors import parts
from hfv_builder.detectors.base import Samples
from hfv_builder.detectors.parts import predict_in_parts

FEATURES = [np.array([number, 7.0 - number]) / 7 for number in range(8)]
CLIPS = [f"clip-{number}" for number in range(8)]


class Recorder:
    """A detector whose features are the probabilities; it records which clips it predicts."""

    def __init__(self, *, survives: int = 99) -> None:
        self.predicted: list[list[int]] = []
        self._survives = survives

    def predict(self, samples: Samples) -> Any:
        """Return the features."""
        if len(self.predicted) == self._survives:
            raise KeyboardInterrupt
        self.predicted.append(samples.rows["number"].tolist())
        assert (samples.classes == samples.rows["number"]).all()
        assert len(samples.further[0]) == len(samples.rows)
        return np.stack([samples.features[place] for place in range(len(samples.rows))])


def predicted(detector: Any, path: Path, made_by: str = "a") -> Any:
    samples = Samples(
        rows=pd.DataFrame({"number": range(8)}), features=FEATURES, further=(FEATURES,), classes=np.arange(8)
    )
    return predict_in_parts(detector, samples, CLIPS, path=path, made_by=made_by)


def test_an_interrupted_prediction_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 3)
    monkeypatch.setattr(parts, "EVERY_S", 0.0)
    path, first, second = tmp_path / "run.partial", Recorder(survives=2), Recorder()
    with pytest.raises(KeyboardInterrupt):
        predicted(first, path)
    assert first.predicted == [[0, 1, 2], [3, 4, 5]]
    assert (predicted(second, path) == np.stack(FEATURES)).all()
    assert second.predicted == [[6, 7]]
    for made_by, damage in (("b", None), ("b", b"damaged")):  # of other weights
        if damage:
            path.write_bytes(damage)
        other = Recorder()
        assert (predicted(other, path, made_by) == np.stack(FEATURES)).all()
        assert other.predicted == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_a_short_prediction_writes_nothing(tmp_path: Path) -> None:
    assert (predicted(Recorder(), tmp_path / "run.partial") == np.stack(FEATURES)).all()
    assert not [*tmp_path.iterdir()]
