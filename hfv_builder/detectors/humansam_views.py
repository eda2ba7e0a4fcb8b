"""The views of clips for `humansam`: augmented views in training, evenly spaced views in evaluation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfv_builder.detectors.base import Floats, Samples
from hfv_builder.detectors.clip_frames import segment_places, spatial_views, view_places
from hfv_builder.detectors.rand_augment import erase, rand_augment, random_crop

MEAN, STD = (torch.tensor(own)[:, None, None] * 255 for own in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
"""Of ImageNet."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Views of some clips; those of a clip follow each other."""

    video: Tensor
    """(n, 3, T, side, side) float32, normalised."""
    depth: Tensor | None
    """(n, D) float32, the depth vector of each view's clip."""
    truth: Tensor
    """(n,) int64, its class."""
    weights: Tensor
    """(n,) float32, its weight in the loss."""

    def to(self, device: str) -> "Batch":
        """Return the batch on a device."""
        return Batch(
            video=self.video.to(device),
            depth=None if self.depth is None else self.depth.to(device),
            truth=self.truth.to(device),
            weights=self.weights.to(device),
        )

    def misaligned_depth(self, views: int) -> Tensor | None:
        """Return the depth vectors as the released code orders them: all clips one after another, `views` times."""
        return None if self.depth is None else self.depth[::views].repeat(views, 1)


@dataclass(frozen=True, kw_only=True)
class Views:
    """Makes views of clips."""

    side: int
    frames: int
    operations: int
    magnitude: float
    least_crop: float
    erasing: float

    def load(
        self, samples: Samples, places: Sequence[int], weights: Floats, views: int, rng: np.random.Generator
    ) -> Batch:
        """Return augmented views of clips; a clip's frames are read once for all its views.

        Args:
            samples: all clips.
            places: of the clips of the batch.
            weights: of all clips.
            views: of each clip.
            rng: of the batch.
        """
        clips = [(place, samples.features[place]) for place in places]
        video = [self._augmented(clip, rng) for _, clip in clips for _ in range(views)]
        own = np.repeat([place for place, _ in clips], views)
        depth = None
        if samples.further:
            depth = torch.from_numpy(np.stack([samples.further[0][place] for place in own]))
        return Batch(
            video=torch.stack(video),
            depth=depth,
            truth=torch.from_numpy(samples.classes[own]),
            weights=torch.from_numpy(weights[own].astype(np.float32)),
        )

    def evaluated(self, clip: npt.NDArray[np.uint8], temporal: int, spatial: int) -> Iterator[Tensor]:
        """Yield evenly spaced views of a clip, each (3, T, side, side) float32, normalised: all in space, then the
        next in time.

        Args:
            clip: (n, 3, h, w) uint8.
            temporal: number of views in time.
            spatial: number of views in space.
        """
        for places in view_places(len(clip), self.frames, temporal):
            images = torch.from_numpy(clip[places])
            for view in spatial_views(images, self.side, spatial):
                yield normalized(view).transpose(0, 1)

    def _augmented(self, clip: npt.NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
        """Return a view with one random frame of each segment, (3, T, side, side) float32, normalised."""
        places = segment_places(len(clip), self.frames, rng.random(self.frames))
        images = rand_augment(torch.from_numpy(clip[places]), rng, operations=self.operations, magnitude=self.magnitude)
        images = normalized(random_crop(images, self.side, rng, least=self.least_crop))
        return erase(images, rng, probability=self.erasing).transpose(0, 1)


def normalized(images: Tensor) -> Tensor:
    """Return images, (…, 3, h, w) uint8, normalised as ImageNet, float32."""
    return (images.float() - MEAN) / STD


def pictured(images: Tensor) -> npt.NDArray[np.uint8]:
    """Return the images before normalisation, (n, 3, h, w) float32 to (n, h, w, 3) uint8."""
    pixels = (images * STD + MEAN).round().clamp(0, 255).to(torch.uint8)
    return np.asarray(pixels.permute(0, 2, 3, 1).numpy())
