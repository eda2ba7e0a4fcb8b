"""The feature of the depth branch of `humansam`: Depth Pro's encoder on the first and the middle frame of a clip.

The feature map that the branch averages depends on only one of Depth Pro's 35 patches of a frame, that of the
quarter-scale image, and on the image encoder, which takes the same image. Two passes through a vision transformer
compute it, not 36.
"""

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from hfv_builder.backends.checkpoint import from_pretrained
from hfv_builder.backends.depth_pro import TILES
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.video import frames
from hfv_builder.records import ClipError

VERSION = 1
"""Raise it when the same file gives another vector."""


class QuarterDepth(nn.Module):
    """The parts of Depth Pro through which the quarter-scale image goes."""

    def __init__(self, model: Any) -> None:
        """Take the parts of a `DepthProForDepthEstimation`."""
        super().__init__()
        own = model.depth_pro
        self.side = TILES * model.config.patch_size
        self.scale = min(model.config.scaled_images_ratios)
        self.patch_encoder, self.image_encoder = own.encoder.patch_encoder.model, own.encoder.image_encoder.model
        upsample = own.neck.feature_upsample
        self.patch_upsample, self.image_upsample = upsample.scaled_images[0], upsample.image_block
        self.fuse = own.neck.fuse_image_with_low_res

    def forward(self, images: Tensor) -> Tensor:
        """Return what the neck's `fuse_image_with_low_res` gives, (n, D, h, w), of images (n, 3, side, side)."""
        quarter = interpolate(images, scale_factor=self.scale, mode="bilinear", align_corners=False)
        maps = [
            upsample(_as_map(encoder(pixel_values=quarter).last_hidden_state))
            for encoder, upsample in (
                (self.patch_encoder, self.patch_upsample),
                (self.image_encoder, self.image_upsample),
            )
        ]
        fused: Tensor = self.fuse(torch.cat(maps, dim=1))
        return fused

    def prepared(self, rgb: npt.NDArray[np.uint8]) -> Tensor:
        """Return a frame, (H, W, 3), as the model takes it, (1, 3, side, side), as Depth Pro's own processor does."""
        image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
        return interpolate(image, (self.side, self.side), mode="bilinear", align_corners=False)


class DepthVector:
    """Extractor: the mean of the feature maps over pixels and the first and middle frame, (D,) float32."""

    def __init__(self, device: str, weights: WeightsDir) -> None:
        """Choose the weights, without loading them.

        Raises:
            UsageError: they are missing.
        """
        weights.require(["depth_pro"])
        self._device, self._weights = device, weights
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides the vector but the file."""
        kind = self._device.split(":")[0]
        return f"quarter depth {self._weights.revision('depth_pro')} {kind}, version {VERSION}"

    def extract(self, path: Path) -> npt.NDArray[np.float32]:
        """Return the vector of the clip; if one of the two frames cannot be decoded, that of the other frame.

        Raises:
            ClipError: the clip cannot be read, or neither frame can be decoded.
        """
        chosen = {0, len(read_timeline(path)) // 2}
        images = [self.network.prepared(frame.rgb) for frame in frames(path, only=chosen)]
        if not images:
            raise ClipError("neither its first nor its middle frame can be decoded")
        return self.vector(images)

    def vector(self, images: list[Tensor]) -> npt.NDArray[np.float32]:
        """Return the vector of prepared frames, each (1, 3, side, side)."""
        with self._lock, torch.inference_mode():  # one model, one thread
            means = [self.network(image.to(self._device)).mean(dim=(2, 3))[0] for image in images]
            return np.asarray(torch.stack(means).mean(dim=0).cpu().numpy())

    @cached_property
    def network(self) -> QuarterDepth:
        """The loaded parts of the model."""
        from transformers import DepthProForDepthEstimation

        folder = self._weights.open("depth_pro")
        model = from_pretrained(DepthProForDepthEstimation, folder, use_fov_model=False)
        return QuarterDepth(model).to(self._device)


def _as_map(tokens: Tensor) -> Tensor:
    """Return the tokens of patches as a map, (n, D, h, h), of (n, 1 + h², D)."""
    side = round((tokens.shape[1] - 1) ** 0.5)
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, side, side)
