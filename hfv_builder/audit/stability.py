"""How many labels hang on which clips a generator happened to give: the bootstrap of its clips."""

import numpy as np
import numpy.typing as npt

from hfv_builder.audit.estimates import LEVEL
from hfv_builder.audit.finding import Estimate

DRAWS = 200

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def changed_labels(scores: Floats, labels: Ints, *, draws: int = DRAWS, seed: int = 0) -> tuple[Estimate, Floats]:
    """Return the share of labels that change when the clips of the generator are drawn again with replacement.

    Every clip is ranked among the drawn ones; its label is the score with the smallest rank. A clip whose smallest
    ranks are equal keeps its label if that is among them.

    Args:
        scores: (n, 3) float64 of the ranked clips of a generator.
        labels: (n,) their labels.
        draws: number of draws.
        seed: of the draws.

    Returns:
        The share with the interval between the draws, and the share of draws that change each clip, (n,) float64.
    """
    count = len(scores)
    rng = np.random.default_rng(seed)
    order = np.argsort(-scores, axis=0, kind="stable")
    # The rank of a clip is one more than the drawn clips with a larger score.
    ordered = np.take_along_axis(-scores, order, axis=0)
    before = np.stack([np.searchsorted(ordered[:, metric], -scores[:, metric]) for metric in range(3)], axis=1)
    changes, shares = np.zeros(count), np.zeros(draws)
    for draw in range(draws):
        weight = np.bincount(rng.integers(0, count, count), minlength=count)
        ranks = np.empty((count, 3), np.int64)
        for metric in range(3):
            larger = np.concatenate([[0], np.cumsum(weight[order[:, metric]])])
            ranks[:, metric] = larger[before[:, metric]]
        changed = ranks[np.arange(count), labels] > ranks.min(axis=1)
        changes += changed
        shares[draw] = changed.mean()
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=float(shares.mean()), low=float(low), high=float(high)), changes / draws
