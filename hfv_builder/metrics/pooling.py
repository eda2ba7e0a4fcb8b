"""From a value per step to the clip's value."""

import math
from collections.abc import Sequence

from hfv_builder.profiles.profile import Pool

WORST = 0.2
"""Share of the steps that `top20` pools."""


def pool(values: Sequence[float], how: Pool) -> float | None:
    """The mean of the values, or of the worst (largest) 20 % of them, rounded up; None if there are none.

    NaN stands for a step without a value and is left out.
    """
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return None
    kept = known if how == "mean" else known[-math.ceil(WORST * len(known)) :]
    return math.fsum(kept) / len(kept)
