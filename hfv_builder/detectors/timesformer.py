"""The detector `timesformer`: attention over space and time of eight frames (Bertasius et al., ICML 2021)."""

from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from transformers import TimesformerConfig, TimesformerForVideoClassification

from hfv_builder.backends.embedding import Normalize
from hfv_builder.detectors import config as shared
from hfv_builder.detectors.augment import centre_crop, maybe_flip, random_crop
from hfv_builder.detectors.base import Extractor, Ints, Surroundings
from hfv_builder.detectors.frame_images import FrameImages
from hfv_builder.detectors.network_detector import Array, NetworkConfig, NetworkDetector, check_crop, paced
from hfv_builder.detectors.pretrained import fill
from hfv_builder.detectors.schedule import Schedule, steps
from hfv_builder.records import UsageError

MEAN, STD = 0.45, 0.225
"""Mean and standard deviation of all channels, for values in [0, 1]."""
SLOWER_AFTER = (11, 14)
"""Epochs after which the learning rate is divided by ten."""
MOMENTUM = 0.9
WEIGHTS = "timesformer"


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(NetworkConfig):
    """The values of the paper's base model. `frames` are read, of which `together` are the input of the network."""

    epochs: PositiveInt = 15
    rate: PositiveFloat = 0.005
    weight_decay: NonNegativeFloat = 1e-4
    batch: PositiveInt = 8
    views_per_epoch: PositiveInt = 1
    together: PositiveInt = 8
    """Frames in one input of the network, one from each of as many equal parts of the clip."""
    side: PositiveInt = 224
    resized: PositiveInt = 256
    """Side of the square frame from which the input is cropped, in pixels."""
    patch: PositiveInt = 16
    width: PositiveInt = 768
    depth: PositiveInt = 12
    heads: PositiveInt = 12


class Timesformer(NetworkDetector[Config]):
    """Divided attention over space and time."""

    view = "view"
    published = WEIGHTS

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        super().__init__(config, surroundings)
        check_crop(config.side, config.resized)
        if config.width % config.heads or config.patch > config.side:
            raise UsageError(
                f"width is {config.width}, heads {config.heads}, patch {config.patch} and side {config.side}: make "
                "width a multiple of heads, and patch at most side"
            )
        self._normalize = Normalize([255 * MEAN] * 3, [255 * STD] * 3, surroundings.device)

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames."""
        return (FrameImages(self.config.resized, self.config.frames),)

    def build(self) -> nn.Module:
        """Return the transformer."""
        config = self.config
        described: Any = TimesformerConfig  # its labels are not among the annotated values
        return _Logits(
            described(
                image_size=config.side,
                patch_size=config.patch,
                num_frames=config.together,
                hidden_size=config.width,
                num_hidden_layers=config.depth,
                num_attention_heads=config.heads,
                intermediate_size=4 * config.width,
                num_labels=len(self.surroundings.classes),
            )
        )

    def start(self, network: nn.Module) -> None:
        """Set all weights but those of the last layer to the published ones."""
        fill(network.model, WEIGHTS, self.surroundings.weights.root, head="classifier.")  # type: ignore[arg-type]

    def draw(self, features: Array, rng: np.random.Generator) -> Array:
        """Return a random frame of each part, all cropped at one random place and perhaps mirrored."""
        own = features[parts(len(features), self.config.together, rng.random(self.config.together))]
        return maybe_flip(random_crop(own, self.config.side, rng), rng)

    def views(self, features: Array) -> Array:
        """Return as many views as the frames that were read allow: the first of each part, the second, and so on."""
        together = self.config.together
        count = max(1, len(features) // together)
        places = [parts(len(features), together, np.full(together, (view + 0.5) / count)) for view in range(count)]
        return centre_crop(features[np.stack(places)], self.config.side)

    def inputs(self, views: Tensor) -> Tensor:
        """Return the frames normalised, (n, frames, 3, H, W)."""
        return self._normalize(views.float())

    def schedule(self) -> Schedule:
        """Return SGD with two steps."""
        return paced(self.config, steps(SLOWER_AFTER), partial(torch.optim.SGD, momentum=MOMENTUM))


class _Logits(nn.Module):
    """The model of transformers, as a function from frames to values of the classes."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.model = TimesformerForVideoClassification(config)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the values, (n, classes)."""
        logits: Tensor = self.model(frames).logits
        return logits


def parts(total: int, count: int, shares: "np.ndarray[Any, np.dtype[np.float64]]") -> Ints:
    """Return a place in each of `count` equal parts of `total` places, (count,), in order.

    Args:
        total: places, at least one; the places of a short clip are repeated.
        count: parts.
        shares: (count,) in [0, 1), where in its part the place is.
    """
    return np.asarray((np.arange(count) + shares) * total / count, np.int64)
