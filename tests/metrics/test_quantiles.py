"""Percentiles by counting equal numpy's, which sorts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.metrics.quantiles import percentiles

PERCENTILES = (0, 2, 50, 98, 100)


@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    percentile=st.floats(0, 100),
)
def test_percentiles_are_exact(values: list[float], percentile: float) -> None:
    maps = torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1)
    (value,) = percentiles(maps, [percentile])
    expected = np.percentile(np.asarray(values, np.float64), percentile)
    # Between values of opposite signs the result can be far smaller than they are.
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-15 * max(map(abs, values)) + 1e-300)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 40])
def test_percentiles_do_not_depend_on_the_number_of_maps(count: int) -> None:
    maps = torch.from_numpy(np.random.default_rng(count).standard_normal((count, 7, 9)).astype(np.float32))
    np.testing.assert_allclose(
        percentiles(maps, PERCENTILES), np.percentile(maps.double().numpy(), PERCENTILES), rtol=1e-12
    )


@pytest.mark.parametrize("not_finite", [math.nan, math.inf, -math.inf])
def test_maps_that_are_not_finite_have_no_percentiles(not_finite: float) -> None:
    maps = torch.ones(3, 2, 2)
    maps[1, 0, 0] = not_finite
    assert all(math.isnan(value) for value in percentiles(maps, PERCENTILES))
