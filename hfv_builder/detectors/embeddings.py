"""Embeddings of evenly spaced frames, by the name of their model."""

import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfv_builder.backends.registry import load, revision
from hfv_builder.backends.specs import BACKENDS
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.frames import FRAMES, even_frames, even_places
from hfv_builder.detectors.towers import TOWERS, load_tower, tower_revision
from hfv_builder.frames.video import decode
from hfv_builder.profiles.profile import Embedding
from hfv_builder.records import UsageError

AUTO, LITE = "auto", "lab_histogram"
VERSION = 1
"""Raise it when the same file gives other vectors."""
BACKEND_NAMES = tuple(name for name, spec in BACKENDS.items() if spec.kind == "embedding" and spec.keep_vectors)
NAMES = (AUTO, *BACKEND_NAMES, *TOWERS)


class FrameEmbeddings:
    """Extractor: L2-normalised vectors of frames, (frames, D) float16; fewer for a clip with fewer frames."""

    def __init__(self, name: str, device: str, weights: WeightsDir, *, count: int = FRAMES) -> None:
        """Choose the model, without loading it.

        Args:
            name: of `NAMES` but `auto`.
            device: where a learnt model runs.
            weights: the directory of the weights.
            count: frames of a clip.

        Raises:
            UsageError: there is no such model, or its weights are missing.
        """
        if name not in NAMES or name == AUTO:
            raise UsageError(f"there is no embedding {name!r}: choose from {', '.join(NAMES)}")
        self.name, self.count = name, count
        self._device, self._weights = device, weights
        self._lock = threading.Lock()
        if name in TOWERS:
            self._revision = tower_revision(name, weights.root / name, device)
        else:
            if BACKENDS[name].weights is not None:
                _require(name, weights)
            self._revision = revision(self._config, device, weights)

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides the vectors but the file."""
        return f"embedding {self.name} {self._revision}, {self.count} frames, version {VERSION}"

    def extract(self, path: Path) -> npt.NDArray[np.float16]:
        """Return the vectors of the clip's frames.

        Raises:
            ClipError: the clip cannot be read.
        """
        if self.name == LITE:
            # A histogram is normalised over the whole clip and averaged over neighbouring frames.
            model = load(self._config, self._device).begin()
            total = 0
            for chunk in decode(path, min_decoded=0):
                model.update(torch.from_numpy(chunk.rgb))
                total += len(chunk.rgb)
            vectors: Tensor = model.compute()[even_places(total, self.count)]
        else:
            images = [torch.from_numpy(rgb) for rgb in even_frames(path, self.count)]
            with self._lock:  # one model, one thread
                vectors = torch.cat([self._embed(image[None]) for image in images])
        return np.asarray(vectors.half().cpu().numpy())

    @property
    def _config(self) -> Embedding:
        return Embedding(backend=self.name, precision="fp32")

    @cached_property
    def _embed(self) -> Callable[[Tensor], Tensor]:
        if self.name in TOWERS:
            return load_tower(self.name, self._weights.root / self.name, self._device)
        model = load(self._config, self._device, self._weights)

        def embed(frames: Tensor) -> Tensor:
            vectors: Tensor = model.embed(frames.to(self._device))
            return vectors

        return embed


def _require(name: str, weights: WeightsDir) -> None:
    try:
        weights.require([name])
    except UsageError as error:
        raise UsageError(f'{error}; clip-svm can do with embedding = "{LITE}", which needs none') from None


def chosen_embedding(name: str, *, is_lite: bool) -> str:
    """Return the model that `auto` means: the one whose vectors the profile of the release stores."""
    return (LITE if is_lite else "clip") if name == AUTO else name
