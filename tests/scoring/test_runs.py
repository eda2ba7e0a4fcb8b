"""The change of flow over runs of three frames is in pixels of the frames, whatever the size of the flow."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from hfv_builder.frames.resize import enlarged
from hfv_builder.frames.steps import Link
from hfv_builder.scoring.flow_pairs import Matches
from hfv_builder.scoring.runs import RunFinder, Runs


def runs(flow: Tensor, size: tuple[int, int]) -> Runs:
    """Return the runs of linked frames of this size, (H, W), with this flow between them, (k, 2, h, w)."""
    count = len(flow)
    frames = torch.zeros(count, 3, *size)
    matches = Matches(
        first=frames,
        second=frames,
        forward=flow,
        backward=None,
        frame_indices=list(range(count)),
        places=list(range(count)),
        links=[Link.STEP] * count,
    )
    return RunFinder().find(matches)


@pytest.mark.parametrize("size", [(128, 256), (96, 320), (32, 64)])
def test_values_hardly_depend_on_the_size_of_the_flow(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    coarse = torch.from_numpy(rng.standard_normal((4, 2, 4, 5)).astype(np.float32))
    flow = interpolate(coarse, (64, 128), mode="bicubic")
    flow[2, 0] += 0.1 * (torch.arange(128) - 64)  # it suddenly grows
    flow[2, 1] += 0.1 * (torch.arange(64) - 32)[:, None]
    small, large = runs(flow, size), runs(enlarged(flow, size), size)
    assert small.frame_indices == large.frame_indices == [0, 1, 2]
    assert len(small.speed) == 4
    assert max(large.scaling) > 0.5
    for name in ("speed", "acceleration", "scaling"):
        np.testing.assert_allclose(getattr(small, name), getattr(large, name), rtol=0.03, err_msg=name)
