"""The forward pass of Depth Pro from the parts of the model in transformers, with the same result.

The library cuts the patches by `unfold`, which takes a third of the time on a GPU, and keeps the tokens after all 24
layers, 2 GB per frame in fp32. Here patches are slices, and only the tokens that the decoder reads are kept.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers.models.depth_pro.modeling_depth_pro import reconstruct_feature_maps

from hfv_builder.backends.precision import compile_in_place
from hfv_builder.backends.vit_layer import replace_layers


class DepthProNetwork(nn.Module):
    """Maps images to inverse depth. Shares the modules of the library's model."""

    def __init__(self, model: Any, *, compiled: bool) -> None:
        """Take the parts of the model.

        Args:
            model: a `DepthProForDepthEstimation`; its head for the field of view is not used.
            compiled: whether to compile the layers, each kind once.
        """
        super().__init__()
        encoder = model.depth_pro.encoder
        self.image_encoder, self.vit = encoder.image_encoder, encoder.patch_encoder.model
        self.neck, self.fusion, self.head = model.depth_pro.neck, model.fusion_stage, model.head
        for vit in (self.vit, self.image_encoder.model):
            replace_layers(vit.encoder)
        config = model.config
        self.patch_size: int = config.patch_size
        self.scales = list(zip(config.scaled_images_ratios, config.scaled_images_overlap_ratios, strict=True))
        self.kept = list(config.intermediate_hook_ids)
        self.padding: int = config.merge_padding_value
        self.grid: int = encoder.patch_encoder.out_size
        if compiled:
            decoder = [*self.fusion.intermediate, self.fusion.final, self.head]
            compile_in_place([*self.vit.encoder.layer, *self.image_encoder.model.encoder.layer, *decoder])

    def forward(self, images: Tensor) -> Tensor:
        """Return inverse depth, (n, s, s), of images, (n, 3, s, s) in [−1, 1] with s = 4 · patch_size."""
        features = [self.image_encoder(images).features, *self._patch_features(images)]
        depth: Tensor = self.head(self.fusion(self.neck(features))[-1])
        return depth

    def _patch_features(self, images: Tensor) -> list[Tensor]:
        """Return the maps of all patches joined: of every scale, coarse to fine, then of the kept layers."""
        scaled = [interpolate(images, scale_factor=ratio, mode="bilinear") for ratio, _ in self.scales]
        parts = [cut(image, self.patch_size, overlap) for image, (_, overlap) in zip(scaled, self.scales, strict=True)]
        counts = [len(part) for part in reversed(parts)]
        tokens, kept = self._encode(torch.cat(parts[::-1]), counts[0])
        levels = list(reversed(torch.split(tokens, counts)))
        finest = len(levels) - 1
        maps = [self._joined(level, len(images), place) for place, level in enumerate(levels)]
        return maps + [self._joined(kept[index], len(images), finest) for index in self.kept]

    def _encode(self, patches: Tensor, fine: int) -> tuple[Tensor, dict[int, Tensor]]:
        """Return the tokens of the last layer, and those of the first `fine` patches after each layer to keep."""
        tokens, kept = self.vit.embeddings(patches), {}
        for index, layer in enumerate(self.vit.encoder.layer):
            tokens = layer(tokens)
            if index in self.kept:
                kept[index] = tokens[:fine]
        return self.vit.layernorm(tokens), kept

    def _joined(self, tokens: Tensor, count: int, place: int) -> Tensor:
        side = self.grid * 2**place
        padding = int(self.padding / self.scales[place][0])
        maps: Tensor = reconstruct_feature_maps(tokens, count, padding, (side, side))
        return maps


def cut(images: Tensor, side: int, overlap: float) -> Tensor:
    """Return square patches row by row, each of all images: (n, C, H, W) to (patches · n, C, side, side)."""
    if images.shape[-2:] == (side, side):
        return images
    stride = int(side * (1 - overlap))
    views = images.unfold(2, side, stride).unfold(3, side, stride)
    return views.permute(2, 3, 0, 1, 4, 5).reshape(-1, images.shape[1], side, side)
