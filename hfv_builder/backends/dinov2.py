"""Frame embeddings by DINOv2 ViT-B/14 (Oquab et al., TMLR 2024): the class token after the final norm.

The whole frame is seen: its short side becomes 224 and nothing is cut off, as VBench does with the DINO of its subject
consistency; the position encodings are interpolated to the frame's shape.
"""

from torch import Tensor
from transformers import Dinov2Model

from hfv_builder.backends.checkpoint import from_pretrained
from hfv_builder.backends.embedding import FrameEmbedding, Normalize, resized
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Embedding

SHORT_SIDE = 224
LONGEST = 4
"""Times the short side; a frame of a stranger shape is squeezed, or its tokens would know no bound."""
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
"""Of ImageNet, in grey levels."""


def seen_size(height: int, width: int, patch: int) -> tuple[int, int]:
    """The size at which a frame is seen, in whole patches.

    >>> seen_size(720, 1280, 14)
    (224, 392)
    """
    short = min(height, width)
    factor = [min(side / short, LONGEST) * SHORT_SIDE for side in (height, width)]
    return max(1, round(factor[0] / patch)) * patch, max(1, round(factor[1] / patch)) * patch


class Prepare:
    """Frames as DINOv2 wants them."""

    def __init__(self, patch: int, normalize: Normalize) -> None:
        self._patch, self._normalize = patch, normalize

    def __call__(self, frames: Tensor) -> Tensor:
        """(n, H, W, 3) uint8 to (n, 3, h, w) float32, normalised."""
        size = seen_size(frames.shape[1], frames.shape[2], self._patch)
        return self._normalize(resized(frames, size))


def load(config: Embedding, device: str, store: WeightsDir) -> FrameEmbedding:
    """The model that the profile describes.

    Raises:
        UsageError: its weights are not there, or not right.
    """
    model = from_pretrained(Dinov2Model, store.open("dinov2")).to(device)

    def class_token(images: Tensor) -> Tensor:
        vectors: Tensor = model(images).pooler_output
        return vectors

    prepare = Prepare(model.config.patch_size, Normalize(MEAN, STD, device))
    return FrameEmbedding(class_token, prepare, config, device)
