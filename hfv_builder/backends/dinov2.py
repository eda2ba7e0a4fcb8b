"""Frame embeddings by DINOv2 ViT-B/14 (Oquab et al., TMLR 2024): the class token after the final norm.

The short side is resized to 224 and nothing is cropped, as in VBench's subject consistency with DINO. The model
interpolates its position encodings to the shape of the frame.
"""

from torch import Tensor
from transformers import Dinov2Model

from hfv_builder.backends.checkpoint import from_pretrained
from hfv_builder.backends.embedding import FrameEmbedding, Normalize, resized
from hfv_builder.backends.vit_layer import replace_layers
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Embedding

SHORT_SIDE = 224
LONGEST = 4
"""Largest aspect ratio. Longer frames are squeezed to it, which bounds the number of tokens."""
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
"""Mean and standard deviation of ImageNet, in grey levels."""


def input_size(height: int, width: int, patch: int) -> tuple[int, int]:
    """Return the (height, width) to which a frame is resized, in whole patches.

    >>> input_size(720, 1280, 14)
    (224, 392)
    """
    short = min(height, width)
    factor = [min(side / short, LONGEST) * SHORT_SIDE for side in (height, width)]
    return max(1, round(factor[0] / patch)) * patch, max(1, round(factor[1] / patch)) * patch


class Prepare:
    """Preprocessing of frames for DINOv2."""

    def __init__(self, patch: int, normalize: Normalize) -> None:
        self._patch, self._normalize = patch, normalize

    def __call__(self, frames: Tensor) -> Tensor:
        """Return the frames resized and normalised: (n, H, W, 3) uint8 to (n, 3, h, w) float32."""
        size = input_size(frames.shape[1], frames.shape[2], self._patch)
        return self._normalize(resized(frames, size))


def load(config: Embedding, device: str, store: WeightsDir) -> FrameEmbedding:
    """Return the model that the profile describes.

    Raises:
        UsageError: its weights are missing, damaged or do not fit.
    """
    model = from_pretrained(Dinov2Model, store.open("dinov2")).to(device)
    replace_layers(model.encoder)

    def class_token(images: Tensor) -> Tensor:
        vectors: Tensor = model(images).pooler_output
        return vectors

    prepare = Prepare(model.config.patch_size, Normalize(MEAN, STD, device))
    return FrameEmbedding(class_token, prepare, config, device)
