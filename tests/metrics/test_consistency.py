"""Consistency equals VBench's loop and has its symmetries."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.metrics.consistency import consistency, inconsistency
from tests import reference


def features(count: int, seed: int, *, size: int = 16) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32))


@given(count=st.integers(2, 12), seed=st.integers(0, 999))
def test_consistency_equals_the_loop(count: int, seed: int) -> None:
    vectors = features(count, seed)
    loop = reference.consistency(list(vectors.numpy()))
    np.testing.assert_allclose(consistency(vectors).numpy(), loop, atol=1e-6)


def test_a_static_clip_has_no_inconsistency() -> None:
    same = features(1, 3).expand(9, -1)
    assert inconsistency(consistency(same), consistency(same)).abs().max() < 1e-12


def test_time_reversal_keeps_the_similarity_of_neighbours() -> None:
    vectors = torch.nn.functional.normalize(features(9, 5).double(), dim=1)

    def similarity_of_neighbours(clip: torch.Tensor) -> float:
        start = (clip[1:] @ clip[0]).clamp(0, 1)
        return float((consistency(clip) - 0.5 * start).sum())

    assert similarity_of_neighbours(vectors) == pytest.approx(similarity_of_neighbours(vectors.flip(0)), abs=1e-12)


@given(seed=st.integers(0, 99))
def test_consistency_is_between_zero_and_one_and_ignores_length(seed: int) -> None:
    vectors = features(6, seed)
    values = consistency(vectors)
    assert values.min() >= 0
    assert values.max() <= 1
    torch.testing.assert_close(consistency(vectors * 7), values)
