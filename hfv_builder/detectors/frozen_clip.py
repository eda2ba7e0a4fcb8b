"""Embeddings by the frozen image tower of CLIP ViT-L/14, of frames and of augmented copies, computed once."""

import hashlib
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from open_clip import CLIP
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from torch import Tensor, nn

from hfv_builder.backends.embedding import Normalize
from hfv_builder.detectors.augment import blur_or_compress, maybe_flip
from hfv_builder.detectors.frame_images import FrameImages
from hfv_builder.detectors.pretrained import fill, weights_file, weights_revision
from hfv_builder.records import UsageError
from hfv_builder.storage.json_text import load_json

WEIGHTS = "clip-l14"
DESCRIPTION = "open_clip_config.json"
SHARE = 0.5
"""Probability of blur, of JPEG and of a flip."""
BATCH = 64
"""Frames."""


class FrozenClip:
    """The image tower; its weights are read when it is first used."""

    def __init__(self, root: Path, device: str) -> None:
        """Read the description of the tower.

        Args:
            root: the folder of all weights.
            device: where it runs.

        Raises:
            UsageError: its files are missing, or it is not OpenAI's.
        """
        self._root, self.device = root, device
        self.revision = f"{weights_revision(WEIGHTS, root)} {device.partition(':')[0]}"
        path = weights_file(WEIGHTS, root).with_name(DESCRIPTION)
        try:
            self._described: dict[str, Any] = load_json(path.read_text(encoding="utf-8"))["model_cfg"]
            self.side = int(self._described["vision_cfg"]["image_size"])
            self.width = int(self._described["embed_dim"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} cannot be read ({error}): download it again, beside the weights") from None
        if self._described.get("quick_gelu") is not True:
            raise UsageError(f"{path} lacks quick_gelu = true, OpenAI's activation: download it again")
        mean, std = ([255 * value for value in own] for own in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
        self.normalize = Normalize(mean, std, device)
        self._lock = threading.Lock()

    @cached_property
    def tower(self) -> nn.Module:
        """The network from normalised images to vectors.

        Raises:
            UsageError: the weights are damaged or do not fit.
        """
        with torch.device("meta"):
            tower: nn.Module = CLIP(**self._described).visual
        fill(tower, WEIGHTS, self._root, prefix="visual.")
        return tower.eval().requires_grad_(False).to(self.device)

    def embed(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
        """Return the vectors of images, (n, 3, side, side) to (n, width). May be called from several threads."""
        with self._lock:
            tower = self.tower  # made outside of the inference mode, so that gradients for maps can be computed
        with torch.inference_mode():
            parts = [tower(self.prepared(images[at : at + BATCH])) for at in range(0, len(images), BATCH)]
            return np.asarray(torch.cat(parts).half().cpu().numpy())

    def prepared(self, images: npt.NDArray[np.uint8]) -> Tensor:
        """Return images as the tower takes them, (n, 3, side, side) float32."""
        return self.normalize(torch.from_numpy(np.array(images, order="C")).to(self.device).float())


class ChangedEmbeddings:
    """Extractor: (1 + copies, frames, width) float16, the frames and differently augmented copies of them."""

    def __init__(self, clip: FrozenClip, *, frames: int, copies: int) -> None:
        self._clip, self._copies = clip, copies
        self._images = FrameImages(clip.side, frames)

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides the vectors but the file."""
        own = f"{self._copies} changed copies, opencv {cv2.__version__}, version 1"
        return f"embedding {self._clip.revision}, {self._images.fingerprint}, {own}"

    def extract(self, path: Path) -> npt.NDArray[np.float16]:
        """Return the vectors of the clip's frames.

        Raises:
            ClipError: the clip cannot be read.
        """
        images = self._images.extract(path)
        seed = [*hashlib.sha256(images.tobytes()).digest()]  # the same file, the same copies
        rngs = [np.random.default_rng([*seed, copy]) for copy in range(self._copies)]
        changed = [[maybe_flip(blur_or_compress(own, rng, share=SHARE), rng) for own in images] for rng in rngs]
        every = np.concatenate([images, *(np.stack(copy) for copy in changed)])
        return self._clip.embed(every).reshape(1 + self._copies, len(images), -1)
