"""The detector `clip-prompt`: a frame gets the class with the nearest prompt; no training (arXiv 2412.00526)."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass

from hfv_builder.backends.clip_text import embed_prompts, load_clip
from hfv_builder.detectors import config as shared
from hfv_builder.detectors.arrays import load_arrays, save_arrays
from hfv_builder.detectors.base import Curve, Evidence, Extractor, Fitting, Floats, Samples, Surroundings
from hfv_builder.detectors.embeddings import FrameEmbeddings
from hfv_builder.detectors.frame_machine import frame_evidence, unit
from hfv_builder.detectors.frames import FRAMES
from hfv_builder.detectors.prompts import prompts_of
from hfv_builder.detectors.targets import Target
from hfv_builder.detectors.votes import vote

SHARPNESS = 100.0
"""Factor of the cosines before the softmax: the largest scale that CLIP learns."""


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(shared.Config):
    """Prompts are texts by class, such as `[prompts]` with `real = ["a photo"]`; see `prompts.PROMPTS`."""

    target: Target = "binary"
    prompts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    frames: PositiveInt = FRAMES


class ClipPrompt:
    """Cosine similarity of frames with prompts; the votes of the frames decide the class of the clip."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config, self._surroundings = config, surroundings
        self._prompts = prompts_of(surroundings.classes, config.prompts)
        self._vectors: Floats
        """Set by `fit` and `load`."""

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what computes the embeddings; those of `clip-svm` with CLIP.

        Raises:
            UsageError: the weights are missing.
        """
        own = self._surroundings
        return (FrameEmbeddings("clip", own.device, own.weights, count=self._config.frames),)

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Embed the prompts; the clips are not used."""
        folder = self._surroundings.weights.open("clip")
        self._vectors = embed_prompts(load_clip(folder), folder, self._prompts).numpy().astype(np.float64)
        return []

    def predict(self, samples: Samples) -> Floats:
        """Return the probabilities by the votes of the frames, (n, classes)."""
        return np.stack([vote(self._decisions(samples.features[place])) for place in range(len(samples.rows))])

    def evidence_extractors(self) -> tuple[Extractor, ...]:
        """Return what computes the embeddings."""
        return self.extractors()

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return the votes of the frames. An embedding has no spatial positions, so there are no maps."""
        return frame_evidence(self._decisions(clip.features[0]))

    def save(self, path: Path) -> None:
        """Write the vectors of the classes."""
        save_arrays(path, {"vectors": self._vectors})

    def load(self, path: Path) -> None:
        """Read the vectors of the classes."""
        self._vectors = load_arrays(path)["vectors"]

    def _decisions(self, frames: npt.NDArray[Any]) -> Floats:
        """Return a decision value for each frame and class, (frames, classes)."""
        return np.asarray(SHARPNESS * unit(frames).astype(np.float64) @ self._vectors.T)
