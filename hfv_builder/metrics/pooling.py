"""Pooling: reduce the values of all steps to the value of the clip."""

import math
from collections.abc import Sequence
from typing import assert_never

from hfv_builder.profiles.profile import Pool

WORST = 0.2
"""Share of the steps that `top20` averages."""


def pool(values: Sequence[float], how: Pool) -> float | None:
    """Return the mean of the values (`mean`), or of the largest ⌈0.2 n⌉ of them (`top20`); None if there are none.

    NaN marks a step without a value and is ignored.
    """
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return None
    match how:
        case "mean":
            pooled = known
        case "top20":
            pooled = known[-math.ceil(WORST * len(known)) :]
        case _:
            assert_never(how)
    return math.fsum(pooled) / len(pooled)
