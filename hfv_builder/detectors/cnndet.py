"""The detector `cnndet`: a ResNet-50 trained on blurred and compressed frames (Wang et al., CVPR 2020)."""

from typing import Any

import numpy as np
import torch
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

from hfv_builder.backends.embedding import Normalize
from hfv_builder.detectors import config as shared
from hfv_builder.detectors.augment import blur_or_compress, centre_crop, maybe_flip, random_crop
from hfv_builder.detectors.base import Extractor, Surroundings
from hfv_builder.detectors.frame_images import FrameImages
from hfv_builder.detectors.network_detector import Array, NetworkConfig, NetworkDetector, check_crop, paced
from hfv_builder.detectors.pretrained import fill
from hfv_builder.detectors.schedule import LEAST, Schedule, plateau

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet, for values in [0, 1]."""
WEIGHTS = "resnet50"
FourCounts = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
SHARE = 0.5
"""Probability of blur, and of JPEG."""


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(NetworkConfig):
    """The values of the paper; the number of frames and of views are our choice."""

    side: PositiveInt = 224
    """Side of the square input of the network in pixels."""
    resized: PositiveInt = 256
    """Side of the square frame from which the input is cropped, in pixels."""
    layers: FourCounts = (3, 4, 6, 3)
    """Blocks of the network's stages; these are ResNet-50's."""
    channels: FourCounts = (64, 128, 256, 512)
    """A quarter of the channels of the stages."""


class CnnDet(NetworkDetector[Config]):
    """A ResNet on single frames."""

    published = WEIGHTS

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        check_crop(config.side, config.resized)
        self._normalize = Normalize(
            [255 * value for value in MEAN], [255 * value for value in STD], surroundings.device
        )

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames."""
        return (FrameImages(self.config.resized, self.config.frames),)

    def build(self) -> nn.Module:
        """Return the ResNet."""
        config = self.config
        block: Any = Bottleneck  # timm annotates the class as its instance
        return ResNet(block, config.layers, len(self.surroundings.classes), channels=config.channels)

    def start(self, network: nn.Module) -> None:
        """Set all weights but those of the last layer to ImageNet's."""
        fill(network, WEIGHTS, self.surroundings.weights.root, head="fc.")

    def draw(self, features: Array, rng: np.random.Generator) -> Array:
        """Return a random crop of a frame, perhaps blurred, compressed and mirrored."""
        frame = blur_or_compress(features[rng.integers(len(features))], rng, share=SHARE)
        return maybe_flip(random_crop(frame, self.config.side, rng), rng)

    def views(self, features: Array) -> Array:
        """Return the centre crop of every frame."""
        return centre_crop(features, self.config.side)

    def inputs(self, views: Tensor) -> Tensor:
        """Return the frames normalised."""
        return self._normalize(views.float())

    def schedule(self) -> Schedule:
        """Return Adam with a learning rate that is reduced on plateaus."""
        return paced(self.config, plateau(), torch.optim.Adam, least=LEAST)
