"""Tiny `humansam` detectors, and clips whose content tells their number."""

from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.base import Samples, Surroundings
from hfv_builder.detectors.humansam import HumanSam
from hfv_builder.detectors.registry import configure
from hfv_builder.records import Label
from tests.detectors.weights import BACKBONE

PLAIN: dict[str, Any] = {"backbone": BACKBONE, "operations": 0, "erasing": 0.0, "drop_path": 0.0, "batch": 4}


def detector(weights: WeightsDir, **values: Any) -> HumanSam:
    classes = ("fake", "real") if values.get("target") == "binary" else tuple(map(str, Label))
    config = configure("humansam", PLAIN | values, "test")
    surroundings = Surroundings(classes=classes, device="cpu", weights=weights, is_lite=False)
    return HumanSam(config, surroundings)  # type: ignore[arg-type]


def samples(count: int = 8, *, frames: int = 8, depth: int = 16) -> Samples:
    """Return clips whose frames, depth, rank and label are functions of their number."""
    labels = np.arange(count) % 4
    rows = pd.DataFrame({"label": labels, "r_hat": np.where(labels == 3, 0, (np.arange(count) + 1) / count)})
    images = [np.full((frames, 3, 28, 28), 2 * clip, np.uint8) for clip in range(count)]
    vectors = [np.full(depth, clip, np.float32) for clip in range(count)]
    return Samples(rows=rows, features=images, further=(vectors,), classes=labels.astype(np.int64))
