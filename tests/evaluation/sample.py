"""Predictions and labels made by hand."""

import numpy as np
import pandas as pd

from hfv_builder.evaluation.results import Contender
from hfv_builder.evaluation.scores import PROBABILITIES

SETS = ("kling", "pika")


def truth(variants: tuple[str, ...] = ("",), *, clips: int = 8, sets: tuple[str, ...] = SETS) -> pd.DataFrame:
    """The clips of some sets, two of each label; real clips are shared."""
    rows = []
    for name in sets:
        for variant in variants:
            for number in range(clips):
                label = number % 4
                clip = f"real-{number}" if label == 3 else f"{name}-{number}"
                row = {"clip_id": clip, "set": name, "variant": variant, "label": label, "generator": name}
                rows.append(
                    row | {"path": f"eval/{name}@{variant}/{clip}.mp4" if variant else f"eval/{name}/{clip}.mp4"}
                )
    return pd.DataFrame(rows)


def contender(
    name: str, table: pd.DataFrame, *, skill: float, seed: int = 0, two: bool = False, is_floor: bool = False
) -> Contender:
    """A detector that is right with a certain skill: 0 is chance, 1 is always right."""
    rng = np.random.default_rng(seed)
    four = (1 - skill) * rng.dirichlet(np.ones(4), len(table)) + skill * np.eye(4)[table["label"]]
    if two:
        four[:, :3] = np.nan
    predictions = table[["clip_id", "set", "variant"]].join(pd.DataFrame(four, columns=list(PROBABILITIES)))
    return Contender(
        name=name,
        detector="clip-svm",
        target="binary" if two else "anomaly",
        trained_on="" if is_floor else "sora",
        is_floor=is_floor,
        predictions=predictions,
    )
