"""The region of the largest error of a map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.scoring.region import LEAST, worst_region


def test_the_region_surrounds_the_largest_part_alone() -> None:
    errors = np.zeros((96, 128), np.float32)
    errors[40:60, 30:60] = 0.8
    errors[10:20, 100:110] = 0.3
    errors[90, 120] = 1.0  # a single pixel
    x, y, w, h = worst_region(errors) or (0, 0, 0, 0)
    assert [x * 128, y * 96] == pytest.approx([30, 40], abs=3)
    assert [w * 128, h * 96] == pytest.approx([30, 20], abs=6)
    assert worst_region(np.zeros((5, 7), np.float32)) is None


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_region_lies_inside_the_map(height: int, width: int, seed: int) -> None:
    errors = np.random.default_rng(seed).random((height, width), np.float32) ** 4
    x, y, w, h = worst_region(errors) or (0, 0, 1, 1)
    assert min(x, y) >= 0
    assert min(w, h) >= LEAST
    assert max(x + w, y + h) <= 1 + 1e-9
