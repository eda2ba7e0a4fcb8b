"""The replaced layer of vision transformers has the result of the library's, with and without autocast."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers import Dinov2Config, Dinov2Model

from hfv_builder.backends.vit_layer import replace_layers
from tests.device import DEVICE


def model() -> Any:
    """Return a tiny DINOv2 whose layer scales differ between channels."""
    config = Dinov2Config(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, image_size=56, patch_size=14)
    network: Any = Dinov2Model(config)
    network.eval().to(DEVICE)
    for name, weight in network.named_parameters():
        if "layer_scale" in name:
            nn.init.uniform_(weight, 0.1, 1)
    return network


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_replaced_layers_have_the_librarys_result(precision: torch.dtype | None) -> None:
    dino = model()
    images = torch.randn(2, 3, 56, 84, device=DEVICE)

    def tokens() -> Any:
        with torch.inference_mode(), torch.autocast(DEVICE, dtype=precision, enabled=precision is not None):
            return dino(images).last_hidden_state

    expected = tokens()
    replace_layers(dino.encoder)
    assert expected.std() > 0.1
    # The product is not rounded before it is added; in bf16 a query may then be rounded the other way.
    torch.testing.assert_close(tokens(), expected, rtol=0, atol=0.02 if precision else 1e-5)


class TokensOnly(nn.Module):
    """Attention that returns no weights, as in some versions of transformers."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the tokens alone."""
        result: torch.Tensor = self.attention(tokens)[0]
        return result


def test_attention_may_return_its_tokens_alone() -> None:
    dino = model()
    images = torch.randn(2, 3, 56, 56, device=DEVICE)
    with torch.inference_mode():
        expected = dino(images).last_hidden_state
        for layer in dino.encoder.layer:
            layer.attention = TokensOnly(layer.attention)
        replace_layers(dino.encoder)
        torch.testing.assert_close(dino(images).last_hidden_state, expected, rtol=0, atol=1e-5)
