"""How many labels depend on the sample of clips of a generator: the bootstrap of its clips."""

import numpy as np
import numpy.typing as npt

from hfv_builder.audit.estimates import LEVEL
from hfv_builder.audit.finding import Estimate
from hfv_builder.labelling.redrawn import DRAWS, redrawn_labels

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def changed_labels(
    scores: Floats, labels: Ints, groups: Ints, *, draws: int = DRAWS, seed: int = 0
) -> tuple[Estimate, Floats]:
    """Return the share of labels that change when the clips of the generator are resampled with replacement.

    Every clip is ranked among the drawn ones of its group; its label is the score with the smallest rank.

    Args:
        scores: (n, 3) float64 of the ranked clips of a generator.
        labels: (n,) their labels.
        groups: (n,) the group in which each clip was ranked.
        draws: number of draws.
        seed: of the draws.

    Returns:
        The share with the interval between the draws, and the share of draws that change each clip, (n,) float64.
    """
    changes, shares = np.zeros(len(scores)), np.zeros(draws)
    places = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    of_groups = zip(*(redrawn_labels(scores[own], draws=draws, seed=seed) for own in places), strict=True)
    for draw, redrawn in enumerate(of_groups):
        changed = np.zeros(len(scores), bool)
        for own, drawn in zip(places, redrawn, strict=True):
            changed[own] = drawn != labels[own]
        changes += changed
        shares[draw] = changed.mean()
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=float(shares.mean()), low=float(low), high=float(high)), changes / draws
