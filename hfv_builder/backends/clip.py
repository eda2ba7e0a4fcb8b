"""Frame embeddings by the image tower of CLIP ViT-B/32 (Radford et al., ICML 2021), with OpenAI's weights in open_clip.

Preprocessing follows the configuration of the weights: resize the short side to 224, bicubic with antialiasing, then
crop the centre. The text tower is not built.
"""

from pathlib import Path
from typing import Any

import torch
from open_clip import CLIP
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor

from hfv_builder.backends.checkpoint import load_safetensors, misfit, unreadable
from hfv_builder.backends.embedding import FrameEmbedding, Normalize, prepare_frames
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Embedding
from hfv_builder.storage.json_text import load_json


class Prepare:
    """Preprocessing of frames for CLIP."""

    def __init__(self, side: int, normalize: Normalize) -> None:
        self._side, self._normalize = side, normalize

    def __call__(self, frames: Tensor) -> Tensor:
        """Return the frames resized, cropped and normalised: (n, H, W, 3) uint8 to (n, 3, side, side) float32."""
        return self._normalize(prepare_frames(frames, self._side))


def load(config: Embedding, device: str, store: WeightsDir) -> FrameEmbedding:
    """Return the image tower that the profile describes.

    Raises:
        UsageError: its weights are missing, damaged or do not fit.
    """
    folder = store.open("clip")
    described = _described(folder / "open_clip_config.json")
    look = described.get("preprocess_cfg", {})
    try:
        # `meta` allocates no memory: the image tower gets its weights from the file, the text tower is discarded.
        with torch.device("meta"):
            tower = CLIP(**described["model_cfg"]).visual
    except (KeyError, TypeError, ValueError) as error:
        raise misfit(folder / "open_clip_config.json", f"no image tower can be built from it: {error}") from None
    if described["model_cfg"].get("quick_gelu") is not True:
        # The weights would load with the standard GELU as well, and give other vectors.
        raise misfit(folder / "open_clip_config.json", "its model_cfg lacks quick_gelu = true, OpenAI's activation")
    load_safetensors(tower, folder / "open_clip_model.safetensors", prefix="visual.")
    tower = tower.eval().requires_grad_(False).to(device)
    mean, std = look.get("mean", OPENAI_DATASET_MEAN), look.get("std", OPENAI_DATASET_STD)
    normalize = Normalize([255 * value for value in mean], [255 * value for value in std], device)
    return FrameEmbedding(tower, Prepare(tower.image_size[0], normalize), config, device)


def _described(path: Path) -> dict[str, Any]:
    try:
        described = load_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if not isinstance(described, dict):
        raise misfit(path, "it is not a JSON object")
    return described
