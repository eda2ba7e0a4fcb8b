"""Canonical inverse depth by Depth Pro (Bochkovskii et al., ICLR 2025), the implementation in transformers.

Metric depth would need the field of view. The model estimates it for each frame separately, so that the whole map would
flicker. The head that estimates it has a third of the parameters and is not loaded.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import DepthProForDepthEstimation

from hfv_builder.backends.batches import Batches
from hfv_builder.backends.checkpoint import from_pretrained
from hfv_builder.backends.depth_pro_network import DepthProNetwork
from hfv_builder.backends.precision import autocast
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.size import shrunk_size
from hfv_builder.frames.spool import Spool
from hfv_builder.profiles.profile import Depth

TILES = 4
"""Number of patches per side that the model divides its input into. Any other input size silently gives a map of the
wrong size."""
MOST = {"cpu": 1, "cuda": 8}


class DepthPro:
    """Depth model whose canonical inverse depth maps have a long side of at most `long_side` pixels."""

    def __init__(self, model: Any, config: Depth, device: str) -> None:
        self._side = TILES * model.config.patch_size
        self._network = DepthProNetwork(model.to(device), compiled=config.compile)
        self._config, self._device = config, device
        self._batches = Batches(device=device, most=MOST.get(torch.device(device).type, 1), bytes_each=2.5e9)

    def begin(self) -> "DepthProPass":
        """Return a new pass for one clip."""
        return DepthProPass(self)

    def maps(self, frames: Tensor) -> Tensor:
        """Return the maps of these frames: (n, H, W, 3) uint8 RGB to (n, h, w) float32; larger = nearer."""
        return self._batches.run(self._maps, frames.to(self._device))

    def _maps(self, frames: Tensor) -> Tensor:
        images = frames.permute(0, 3, 1, 2).float() / 127.5 - 1
        # As in the model's own processor: bilinear, without antialiasing, without keeping the aspect ratio.
        images = interpolate(images, (self._side, self._side), mode="bilinear", align_corners=False)
        with autocast(self._config.precision, self._device):
            inverse = self._network(images)
        size = shrunk_size(frames.shape[1], frames.shape[2], self._config.long_side)
        return interpolate(inverse.float()[:, None], size, mode="bilinear", antialias=True)[:, 0]


class DepthProPass:
    """One clip. Computes the maps of the frames in `update` and keeps only the maps."""

    def __init__(self, model: DepthPro) -> None:
        self._model = model
        self._spool = Spool()

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""
        self._spool.append(self._model.maps(frames))

    def compute(self) -> Spool:
        """Return one map per frame, (T, h, w) float32; larger = nearer."""
        return self._spool


def load(config: Depth, device: str, store: WeightsDir) -> DepthPro:
    """Return the model that the profile describes.

    Raises:
        UsageError: its weights are missing, damaged or do not fit.
    """
    model = from_pretrained(DepthProForDepthEstimation, store.open("depth_pro"), use_fov_model=False)
    return DepthPro(model, config, device)
