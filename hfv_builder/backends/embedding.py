"""What CLIP and DINOv2 have in common: frames are prepared as images, and a network makes a vector of each."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from hfv_builder.backends.batches import Batches
from hfv_builder.backends.precision import autocast, compiled
from hfv_builder.profiles.profile import Embedding

MOST = {"cpu": 8, "cuda": 128}


class Normalize:
    """(x − mean) / std of every channel, with the numbers on the device already: moving them makes a GPU wait."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: str) -> None:
        self._mean, self._std = (torch.tensor(each, device=device)[:, None, None] for each in (mean, std))

    def __call__(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) float32 to the same."""
        return (images - self._mean) / self._std


class FrameEmbedding:
    """A network that sees one frame at a time."""

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        prepare: Callable[[Tensor], Tensor],
        config: Embedding,
        device: str,
    ) -> None:
        """Args:
        network: prepared frames to (n, D).
        prepare: (n, H, W, 3) uint8 to (n, 3, h, w) float32.
        """
        self._network, self._prepare = compiled(network, config.compile), prepare
        self._config, self._device = config, device
        self._batches = Batches(device=device, most=MOST.get(torch.device(device).type, 8), bytes_each=64e6)

    def begin(self) -> "FrameEmbeddingPass":
        """Start a clip."""
        return FrameEmbeddingPass(self)

    def embed(self, frames: Tensor) -> Tensor:
        """(n, H, W, 3) uint8 to (n, D) float32, L2-normalised."""
        return self._batches.run(self._embed, frames)

    def _embed(self, frames: Tensor) -> Tensor:
        with autocast(self._config.precision, self._device):
            vectors = self._network(self._prepare(frames))
        return normalize(vectors.float(), dim=1)


class FrameEmbeddingPass:
    """Embeds frames as they come and keeps the vectors alone."""

    def __init__(self, model: FrameEmbedding) -> None:
        self._model = model
        self._vectors: list[Tensor] = []

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""
        self._vectors.append(self._model.embed(frames))

    def compute(self) -> Tensor:
        """(T, D) float32, L2-normalised."""
        return torch.cat(self._vectors)


def resized(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """The frames at another size, bicubic and antialiased, in whole grey levels.

    Args:
        frames: (n, H, W, 3) uint8.

    Returns:
        (n, 3, h, w) float32 in [0, 255].
    """
    images = frames.permute(0, 3, 1, 2)
    if frames.device.type == "cpu":
        # On integers, where the CPU is eight times faster than PIL; at most a grey level from it.
        return interpolate(images, size, mode="bicubic", antialias=True).float()
    return interpolate(images.float(), size, mode="bicubic", antialias=True).round().clamp(0, 255)
