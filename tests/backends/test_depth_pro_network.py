"""Depth Pro run in parts has the result of the library's forward pass, bit for bit on a CPU."""

from typing import Any

import pytest
import torch
from transformers import DepthProConfig, DepthProForDepthEstimation

from hfv_builder.backends.depth_pro_network import DepthProNetwork, cut
from tests.device import DEVICE, ROUNDING


def model(*, side: int, layers: int = 2, hooks: tuple[int, int] = (1, 0)) -> Any:
    """Return a small Depth Pro whose patches have `side` pixels, or `side / 16` tokens, per side."""
    vit = {
        "model_type": "dinov2",
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "image_size": side,
        "patch_size": 16,
        "use_mask_token": False,
    }
    config: dict[str, Any] = {
        "fusion_hidden_size": 16,
        "patch_size": side,
        "intermediate_hook_ids": list(hooks),
        "intermediate_feature_dims": [16, 16],
        "scaled_images_feature_dims": [16, 16, 16],
        "use_fov_model": False,
        **{f"{name}_model_config": dict(vit) for name in ("image", "patch", "fov")},
    }
    network: Any = DepthProForDepthEstimation(DepthProConfig(**config))
    network.eval()
    network.head.layers[-2].bias.data.fill_(0.5)
    return network.to(DEVICE)


@pytest.mark.parametrize(
    ("side", "layers", "hooks"), [(32, 2, (1, 0)), (128, 3, (1, 0)), (192, 4, (2, 1))], ids=["tiny", "padded", "deep"]
)
def test_the_result_is_that_of_the_librarys_forward_pass(side: int, layers: int, hooks: tuple[int, int]) -> None:
    network_of_library = model(side=side, layers=layers, hooks=hooks)
    images = torch.rand(2, 3, 4 * side, 4 * side, device=DEVICE) * 2 - 1
    with torch.inference_mode():
        expected = network_of_library(images).predicted_depth
        depth = DepthProNetwork(network_of_library, compiled=False)(images)
    assert expected.std() > 1e-3
    torch.testing.assert_close(depth, expected, rtol=0, atol=0 if DEVICE == "cpu" else 1e-7 * ROUNDING)


@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_patches_are_those_of_unfold(overlap: float) -> None:
    images = torch.rand(2, 3, 80, 80)
    stride = int(32 * (1 - overlap))
    columns = torch.nn.functional.unfold(images, (32, 32), stride=(stride, stride))
    expected = columns.permute(2, 0, 1).reshape(-1, 3, 32, 32)
    assert torch.equal(cut(images, 32, overlap), expected)
    assert torch.equal(cut(images, 80, overlap), images)
