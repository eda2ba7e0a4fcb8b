"""The shared part of CLIP and DINOv2: preprocess the frames, then compute one vector per frame with a network."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from hfv_builder.backends.batches import Batches
from hfv_builder.backends.precision import autocast, compiled
from hfv_builder.profiles.profile import Embedding

MOST = {"cpu": 8, "cuda": 128}


class Normalize:
    """(x − mean) / std per channel. Keeps both on the device, because copying them per call stalls a GPU."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: str) -> None:
        self._mean, self._std = (torch.tensor(values, device=device)[:, None, None] for values in (mean, std))

    def __call__(self, images: Tensor) -> Tensor:
        """Return the normalised images: (n, 3, h, w) float32 to (n, 3, h, w) float32."""
        return (images - self._mean) / self._std


class FrameEmbedding:
    """Embedding model whose network processes every frame independently."""

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        prepare: Callable[[Tensor], Tensor],
        config: Embedding,
        device: str,
    ) -> None:
        """Make the model.

        Args:
            network: maps the output of `prepare` to vectors, (n, D).
            prepare: maps frames, (n, H, W, 3) uint8 RGB, to images, (n, 3, h, w) float32.
            config: the precision, and whether to compile the network.
            device: the device of the network.
        """
        self._network, self._prepare = compiled(network) if config.compile else network, prepare
        self._config, self._device = config, device
        self._batches = Batches(device=device, most=MOST.get(torch.device(device).type, 8), bytes_each=64e6)

    def begin(self) -> "FrameEmbeddingPass":
        """Return a new pass for one clip."""
        return FrameEmbeddingPass(self)

    def embed(self, frames: Tensor) -> Tensor:
        """Return the vectors of these frames: (n, H, W, 3) uint8 RGB to (n, D) float32, L2-normalised."""
        return self._batches.run(self._embed, frames.to(self._device))

    def _embed(self, frames: Tensor) -> Tensor:
        with autocast(self._config.precision, self._device):
            vectors = self._network(self._prepare(frames))
        return normalize(vectors.float(), dim=1)


class FrameEmbeddingPass:
    """One clip. Computes the vectors of the frames in `update` and keeps only the vectors."""

    def __init__(self, model: FrameEmbedding) -> None:
        self._model = model
        self._vectors: list[Tensor] = []

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""
        self._vectors.append(self._model.embed(frames))

    def compute(self) -> Tensor:
        """Return one vector per frame, (T, D) float32, L2-normalised."""
        return torch.cat(self._vectors)


def prepare_frames(frames: Tensor, side: int) -> Tensor:
    """Return the frames resized and cropped, in whole grey levels: (n, H, W, 3) uint8 to (n, 3, side, side) float32."""
    height, width = frames.shape[1:3]
    short = min(height, width)
    size = (int(side * height / short), int(side * width / short))
    top, left = (round((length - side) / 2) for length in size)
    return resized(frames, size)[:, :, top : top + side, left : left + side]


def resized(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the frames resized to (h, w), bicubic with antialiasing, rounded to whole grey levels.

    Args:
        frames: (n, H, W, 3) uint8.

    Returns:
        (n, 3, h, w) float32 in [0, 255].
    """
    images = frames.permute(0, 3, 1, 2)
    if frames.device.type == "cpu":
        # uint8 interpolation on the CPU is eight times as fast as PIL and differs from it by at most one grey level.
        return interpolate(images, size, mode="bicubic", antialias=True).float()
    # The kernel for uint8 resizes rows first and rounds in between. One step in float differs from it by up to 4 grey
    # levels in a fifth of the values; two steps differ by 1 in a hundredth, and the kernel of CUDA shrinks further.
    rows = interpolate(images.float(), (images.shape[2], size[1]), mode="bicubic", antialias=True)
    return interpolate(rows.round_().clamp_(0, 255), size, mode="bicubic", antialias=True).round_().clamp_(0, 255)
