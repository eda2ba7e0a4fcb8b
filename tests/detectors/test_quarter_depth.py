"""The depth branch equals Depth Pro's neck at a fraction of its work."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hfv_builder.backends.checkpoint import from_pretrained
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.quarter_depth import DepthVector, QuarterDepth
from hfv_builder.records import ClipError, UsageError
from tests.conftest import write_clip
from tests.detectors.sample import frames_of


@pytest.fixture(scope="module")
def model(weights: WeightsDir) -> Any:
    """Return the complete tiny model."""
    from transformers import DepthProForDepthEstimation

    return from_pretrained(DepthProForDepthEstimation, weights.open("depth_pro"), use_fov_model=False)


def fused(model: Any, images: Tensor) -> Tensor:
    """Return the output of `fuse_image_with_low_res` in the complete model."""
    outputs: list[Tensor] = []
    handle = model.depth_pro.neck.fuse_image_with_low_res.register_forward_hook(
        lambda module, inputs, output: outputs.append(output)
    )
    with torch.no_grad():
        model.depth_pro(images)
    handle.remove()
    return outputs[0]


def test_the_output_equals_that_of_the_neck(model: Any) -> None:
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        output = QuarterDepth(model)(images)
    expected = fused(model, images)
    assert output.shape == expected.shape == (2, 16, 4, 4)
    assert expected.std() > 0.01
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


def test_the_vector_is_the_mean_over_the_first_and_the_middle_frame(
    model: Any, weights: WeightsDir, tmp_path: Path
) -> None:
    from hfv_builder.frames.video import frames

    path = write_clip(tmp_path / "clip.mp4", frames_of(1, 5, count=7))
    extractor = DepthVector("cpu", weights)
    vector = extractor.extract(path)
    chosen = [frame.rgb for frame in frames(path, only={0, 3})]
    assert len(chosen) == 2
    images = torch.cat([extractor.network.prepared(rgb) for rgb in chosen])
    expected = fused(model, images).mean(dim=(0, 2, 3)).numpy()
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, expected, atol=1e-5)
    other = write_clip(tmp_path / "other.mp4", frames_of(2, 5, count=7))
    assert np.abs(extractor.extract(other) - vector).max() > 1e-3


def test_unreadable_clips_and_missing_weights_are_errors(weights: WeightsDir, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(ClipError):
        DepthVector("cpu", weights).extract(tmp_path / "broken.mp4")
    with pytest.raises(UsageError, match=r"depth_pro/model\.safetensors"):
        DepthVector("cpu", WeightsDir(root=tmp_path))


def test_the_branch_does_less_than_a_tenth_of_the_work() -> None:
    from transformers import DepthProConfig, DepthProForDepthEstimation

    encoder = {"model_type": "dinov2", "hidden_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 16}
    encoder |= {"image_size": 384, "patch_size": 16, "use_mask_token": False}
    values: dict[str, Any] = {"image_model_config": dict(encoder), "patch_model_config": dict(encoder)}
    config = DepthProConfig(use_fov_model=False, intermediate_hook_ids=[2, 1], **values)
    model_type: Any = DepthProForDepthEstimation
    work = []
    with torch.device("meta"), torch.no_grad():
        model = model_type(config).eval()
        for network in (model.depth_pro.encoder, QuarterDepth(model)):
            with FlopCounterMode(display=False) as counter:
                network(torch.zeros(1, 3, 1536, 1536))
            work.append(counter.get_total_flops())
    assert work[0] > 10 * work[1]
