"""InternVideo2's video encoder (Wang et al., ECCV 2024), written from its description for the released weights.

A plain vision transformer over patches of all frames, with `scaled_dot_product_attention` in place of flash-attn.
Names of modules are those of the keys in the released files.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from timm.layers.layer_scale import LayerScale
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint
from torchvision.ops import StochasticDepth

POOL_HEADS = 16
EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of an encoder."""

    dim: int
    depth: int
    heads: int
    mlp: float = 4.0
    """Width of the hidden layer as a multiple of `dim`."""
    pooled: int = 768
    """Width of the attention-pooled feature."""
    frames: int = 8
    side: int = 224
    patch: int = 14


SIZES = {
    "internvideo2-s": Size(dim=384, depth=12, heads=6),
    "internvideo2-b": Size(dim=768, depth=12, heads=12),
    "internvideo2-l": Size(dim=1024, depth=24, heads=16),
    "internvideo2-1b": Size(dim=1408, depth=40, heads=16, mlp=48 / 11),
}


def sincos_positions(dim: int, frames: int, side: int) -> Tensor:
    """Return fixed positions of the class token, which are zeros, and of all patches, (1, 1 + frames · side², dim).

    A quarter of the channels encodes the frame, three eighths the column and three eighths the row, each as sines and
    cosines of the position with wavelengths from 2π to 20,000π. Patches go by frame, row and column.
    """

    def encoded(positions: Tensor, channels: int) -> Tensor:
        speeds = 10_000.0 ** (-torch.arange(channels // 2, dtype=torch.float64) / (channels // 2))
        angles = positions.to(torch.float64)[:, None] * speeds
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    frame, row, column = torch.meshgrid(*(torch.arange(size) for size in (frames, side, side)), indexing="ij")
    widths = (dim // 4, dim * 3 // 8, dim * 3 // 8)
    parts = [encoded(own.flatten(), width) for own, width in zip((frame, column, row), widths, strict=True)]
    patches = torch.cat(parts, dim=1).float()
    return torch.cat([torch.zeros(1, dim), patches])[None]


class Norm(nn.RMSNorm):
    """RMSNorm whose weight has the precision of the input, which autocast leaves to the caller, and torch warns of."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, dim)."""
        return rms_norm(x, [*self.normalized_shape], self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Self-attention whose queries and keys are normalised over all heads."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_norm, self.k_norm = Norm(dim, eps=EPS), Norm(dim, eps=EPS)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, dim)."""
        q, k, v = self.qkv(x).chunk(3, dim=2)
        mixed: Tensor = self.proj(attend(self.q_norm(q), self.k_norm(k), v, self.heads))
        return mixed


class Block(nn.Module):
    """A transformer block with scaled and randomly dropped residuals."""

    def __init__(self, size: Size, drop: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.RMSNorm(size.dim, eps=EPS), Attention(size.dim, size.heads)
        self.norm2, self.mlp = nn.RMSNorm(size.dim, eps=EPS), Mlp(size.dim, int(size.dim * size.mlp))
        self.ls1, self.ls2 = LayerScale(size.dim), LayerScale(size.dim)
        self.drop_path = StochasticDepth(drop, "row")

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, dim)."""
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x))))
        x = x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))
        return x


class CrossAttention(nn.Module):
    """Attention of queries to other tokens; the biases are separate tensors, as in the files."""

    def __init__(self, dim: int, out: int, heads: int = POOL_HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.q_bias, self.k_bias, self.v_bias = (nn.Parameter(torch.zeros(dim)) for _ in range(3))
        self.proj = nn.Linear(dim, out)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return (B, queries, out)."""
        layers = ((q, self.q, self.q_bias), (k, self.k, self.k_bias), (v, self.v, self.v_bias))
        q, k, v = (linear(x, layer.weight, bias) for x, layer, bias in layers)
        mixed: Tensor = self.proj(attend(q, k, v, self.heads))
        return mixed


class AttentionPool(nn.Module):
    """Pool tokens by attention, with their mean as the query."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.norm1_q, self.norm1_k, self.norm1_v = (nn.LayerNorm(dim, eps=1e-5) for _ in range(3))
        self.cross_attn = CrossAttention(dim, out)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, out) of tokens (B, N, dim)."""
        query = self.norm1_q(tokens.mean(dim=1, keepdim=True))
        pooled: Tensor = self.cross_attn(query, self.norm1_k(tokens), self.norm1_v(tokens))[:, 0]
        return pooled


class PatchEmbed(nn.Module):
    """Patches of every frame as tokens."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, dim, (1, patch, patch), (1, patch, patch))

    def forward(self, video: Tensor) -> Tensor:
        """Return (B, T · patches, dim) of (B, 3, T, H, W)."""
        tokens: Tensor = self.proj(video).flatten(2).transpose(1, 2)
        return tokens


class VideoTransformer(nn.Module):
    """The encoder with its attention pool."""

    def __init__(self, size: Size, *, drop_path: float = 0.0, checkpointing: bool = False) -> None:
        """Make an encoder with random weights.

        Args:
            size: of the encoder.
            drop_path: probability that the last block is left out of a sample in training; it grows from zero.
            checkpointing: compute activations again in the backward pass, which needs less memory.
        """
        super().__init__()
        self.size, self._checkpointing = size, checkpointing
        self.patch_embed = PatchEmbed(size.dim, size.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.dim))
        self.pos_embed = nn.Parameter(sincos_positions(size.dim, size.frames, size.side // size.patch))
        self.blocks = nn.ModuleList(Block(size, drop) for drop in _growing(drop_path, size.depth))
        self.clip_projector = AttentionPool(size.dim, size.pooled)
        self.fc_norm = nn.LayerNorm(size.pooled)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def tokens(self, video: Tensor) -> Tensor:
        """Return the class token and those of all patches, (B, 1 + T · patches, dim), of (B, 3, T, side, side)."""
        x: Tensor = self.patch_embed(video)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self._checkpointing and self.training else block(x)
        return x

    def forward(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class token and the mean of the patches' tokens, (B, 2, dim), and the pooled feature, (B, pooled).

        Args:
            video: (B, 3, frames, side, side) float, normalised.
        """
        x = self.tokens(video)
        averages = torch.stack([x[:, 0], x[:, 1:].mean(dim=1)], dim=1)
        return averages, self.fc_norm(self.clip_projector(x))


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Return softmax(q kᵀ / √d) v by head, (B, queries, dim), of (B, queries, dim) and (B, N, dim)."""
    own = [part.reshape(len(part), part.shape[1], heads, -1).transpose(1, 2) for part in (q, k, v)]
    return scaled_dot_product_attention(own[0], own[1], own[2]).transpose(1, 2).flatten(2)


def _growing(highest: float, depth: int) -> Iterator[float]:
    yield from (highest * place / max(1, depth - 1) for place in range(depth))
