"""The detector `f3net`: two networks on the frequencies of frames (Thinking in Frequency, Qian et al., ECCV 2020)."""

from functools import partial

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from hfv_builder.detectors import config as shared
from hfv_builder.detectors.augment import maybe_flip
from hfv_builder.detectors.base import Extractor
from hfv_builder.detectors.frame_images import FrameImages
from hfv_builder.detectors.frequency import BANDS, LocalStatistics, SpectralBands
from hfv_builder.detectors.network_detector import Array, NetworkConfig, NetworkDetector, paced
from hfv_builder.detectors.pretrained import fill
from hfv_builder.detectors.schedule import Schedule, cosine
from hfv_builder.detectors.xception import FULL, MIDDLE, Xception

BAND_CHANNELS = 12
MOMENTUM = 0.9
WEIGHTS = "xception"


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(NetworkConfig):
    """Rate, momentum and side are the paper's; the others are our choice."""

    epochs: PositiveInt = 30
    rate: PositiveFloat = 0.002
    weight_decay: NonNegativeFloat = 1e-4
    batch: PositiveInt = 32
    side: int = Field(default=299, ge=24)
    """Side of the square input of the networks in pixels."""
    width: PositiveInt = FULL
    """Channels of the middle of both Xceptions."""
    middle: PositiveInt = MIDDLE
    """Blocks in the middle of both."""


class F3Network(nn.Module):
    """Bands of the spectrum and local statistics, an Xception on each, and a classifier on the features of both."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.bands, self.statistics = SpectralBands(config.side), LocalStatistics()
        self.of_bands, self.of_statistics = (
            Xception(channels, width=config.width, middle=config.middle) for channels in (BAND_CHANNELS, BANDS)
        )
        self.fc = nn.Linear(self.of_bands.features + self.of_statistics.features, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the values of the classes, (n, 3, side, side) to (n, classes)."""
        own = [self.of_bands(self.bands(images)), self.of_statistics(self.statistics(images))]
        values: Tensor = self.fc(torch.cat(own, dim=1))
        return values


class F3Net(NetworkDetector[Config]):
    """F3-Net on single frames."""

    published = WEIGHTS

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames."""
        return (FrameImages(self.config.side, self.config.frames),)

    def build(self) -> nn.Module:
        """Return both networks."""
        return F3Network(self.config, len(self.surroundings.classes))

    def start(self, network: nn.Module) -> None:
        """Set both Xceptions to ImageNet's weights. Those of the first layer are divided among the channels."""
        network_of_images = Xception(width=self.config.width, middle=self.config.middle)
        fill(network_of_images, WEIGHTS, self.surroundings.weights.root, head="fc.")
        for branch, channels in (("of_bands", BAND_CHANNELS), ("of_statistics", BANDS)):
            state = network_of_images.state_dict()
            state["conv1.weight"] = state["conv1.weight"].repeat(1, channels // 3, 1, 1) / (channels // 3)
            network.get_submodule(branch).load_state_dict(state)

    def draw(self, features: Array, rng: np.random.Generator) -> Array:
        """Return a frame, perhaps mirrored."""
        return maybe_flip(features[rng.integers(len(features))], rng)

    def inputs(self, views: Tensor) -> Tensor:
        """Return the frames in [−1, 1]."""
        return views.float() / 127.5 - 1

    def schedule(self) -> Schedule:
        """Return SGD with a cosine."""
        return paced(self.config, cosine(), partial(torch.optim.SGD, momentum=MOMENTUM))
