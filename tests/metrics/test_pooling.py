"""Pooling equals plain definitions."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.metrics.pooling import pool
from hfv_builder.profiles.profile import Pool

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(VALUES)
def test_the_mean_and_the_mean_of_the_worst(values: list[float]) -> None:
    largest = sorted(values)[::-1][: math.ceil(len(values) / 5)]
    assert pool(values, "mean") == pytest.approx(np.mean(values))
    assert pool(values, "top20") == pytest.approx(np.mean(largest))


@pytest.mark.parametrize("how", get_args(Pool))
def test_steps_without_a_value_do_not_count(how: Pool) -> None:
    assert pool([math.nan, 0.25, math.nan], how) == 0.25
    assert pool([math.nan], how) is None
    assert pool([], how) is None


def test_an_unknown_pooling_is_an_error() -> None:
    with pytest.raises(AssertionError):
        pool([1.0], "median")  # type: ignore[arg-type]
