"""Colour histograms are computed of small frames."""

from typing import Any

import numpy as np
import pytest
import torch

from hfv_builder.backends.classical_embedding import LabHistogram
from hfv_builder.frames.size import shrink
from hfv_builder.metrics.consistency import consistency
from tests.conftest import Frames, moving_square


def vectors(frames: Frames, region: Any) -> torch.Tensor:
    one_pass = LabHistogram(region).begin()
    for start in range(0, len(frames), 2):
        one_pass.update(torch.from_numpy(frames[start : start + 2]))
    return one_pass.compute()


@pytest.mark.parametrize("region", ["frame", "subject"])
def test_large_frames_have_the_vectors_of_shrunk_ones(region: str) -> None:
    large = moving_square(5, width=960, height=540)
    noise = np.random.default_rng(0).integers(-40, 40, large.shape)
    large = np.clip(large + noise, 0, 255).astype(np.uint8)
    assert torch.equal(vectors(large, region), vectors(shrink(large, 160), region))


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_change_of_colour_is_seen_in_clips_of_any_length(count: int) -> None:
    frames = np.zeros((count, 40, 40, 3), np.uint8)
    frames[: count // 2, ..., 0] = frames[count // 2 :, ..., 2] = 200
    assert (consistency(vectors(frames, "frame")) < 0.99).any()
