"""Constructed predictions and labels."""

import numpy as np
import pandas as pd

from hfv_builder.evaluation.results import Contender
from hfv_builder.evaluation.scores import PROBABILITIES

SETS = ("kling", "pika")


def truth(variants: tuple[str, ...] = ("",), *, clips: int = 8, sets: tuple[str, ...] = SETS) -> pd.DataFrame:
    """Return the clips of some sets with labels 0 to 3 in turn; the sets share their real clips."""
    rows = []
    for name in sets:
        for variant in variants:
            for index in range(clips):
                label = index % 4
                clip = f"real-{index}" if label == 3 else f"{name}-{index}"
                row = {"clip_id": clip, "set": name, "variant": variant, "label": label, "generator": name}
                rows.append(
                    row | {"path": f"eval/{name}@{variant}/{clip}.mp4" if variant else f"eval/{name}/{clip}.mp4"}
                )
    return pd.DataFrame(rows)


def contender(
    name: str, table: pd.DataFrame, *, skill: float, seed: int = 0, is_binary: bool = False, is_floor: bool = False
) -> Contender:
    """Return a detector of a given skill: 0 is chance, 1 is always right."""
    rng = np.random.default_rng(seed)
    probabilities = (1 - skill) * rng.dirichlet(np.ones(4), len(table)) + skill * np.eye(4)[table["label"]]
    if is_binary:
        probabilities[:, :3] = np.nan
    predictions = table[["clip_id", "set", "variant"]].join(pd.DataFrame(probabilities, columns=list(PROBABILITIES)))
    return Contender(
        name=name,
        detector="clip-svm",
        target="binary" if is_binary else "anomaly",
        trained_on="" if is_floor else "sora",
        is_floor=is_floor,
        predictions=predictions,
    )
