"""The detector `uni-fd`: a linear layer on frozen CLIP ViT-L/14 embeddings of frames (Ojha et al., CVPR 2023)."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from hfv_builder.detectors import config as shared
from hfv_builder.detectors.base import Evidence, Extractor, Samples
from hfv_builder.detectors.frame_images import FrameImages
from hfv_builder.detectors.frozen_clip import ChangedEmbeddings, FrozenClip
from hfv_builder.detectors.network_detector import Array, NetworkConfig, NetworkDetector, paced, with_maps
from hfv_builder.detectors.schedule import LEAST, Schedule, plateau


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(NetworkConfig):
    """The values of the paper; the number of frames and of augmented copies are our choice."""

    frames: PositiveInt = 8
    weight_decay: NonNegativeFloat = 0.01
    batch: PositiveInt = 256
    copies: PositiveInt = 3
    """Blurred, compressed and mirrored copies of each frame to train with; embeddings are computed once."""


class UniFd(NetworkDetector[Config]):
    """A linear layer; its features are embeddings, not frames."""

    @cached_property
    def _clip(self) -> FrozenClip:
        return FrozenClip(self.surroundings.weights.root, self.surroundings.device)

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what computes the embeddings.

        Raises:
            UsageError: the weights of CLIP are missing.
        """
        return (ChangedEmbeddings(self._clip, frames=self.config.frames, copies=self.config.copies),)

    def build(self) -> nn.Module:
        """Return the linear layer."""
        return nn.Linear(self._clip.width, len(self.surroundings.classes))

    def start(self, network: nn.Module) -> None:
        """Do nothing: the layer starts from random weights, and the published weights are those of the embeddings."""

    def draw(self, features: Array, rng: np.random.Generator) -> Array:
        """Return the embedding of an augmented copy of a frame."""
        return np.asarray(features[rng.integers(1, len(features)), rng.integers(features.shape[1])])

    def views(self, features: Array) -> Array:
        """Return the embeddings of the frames as they are."""
        return np.asarray(features[0])

    def inputs(self, views: Tensor) -> Tensor:
        """Return the embeddings in single precision."""
        return views.float()

    def schedule(self) -> Schedule:
        """Return AdamW with a learning rate that is reduced on plateaus."""
        return paced(self.config, plateau(), torch.optim.AdamW, least=LEAST)

    def evidence_extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames, from which the embeddings are computed."""
        return (FrameImages(self._clip.side, self.config.frames),)

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return the probabilities from each frame, and the maps of the frames."""
        features = clip.features[0]
        embedded = replace(clip, features=[self._clip.embed(features)[None]])
        evidence = super().explain(embedded, maps=False)
        if not maps:
            return evidence
        network = nn.Sequential(self._clip.tower, self._network)
        return with_maps(evidence, features, network, self._clip.prepared(features))
