"""The detector `ft-clip`: the image tower of CLIP fine-tuned on frames, then a support vector machine on its vectors.

The paper (arXiv 2412.00526) does not describe the training. We use fixed prompts of the classes, and the
cross-entropy of the scaled cosines between frames and prompts.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from hfv_builder.backends.clip_text import embed_prompts, load_clip
from hfv_builder.backends.embedding import Normalize
from hfv_builder.detectors import config as shared
from hfv_builder.detectors.arrays import load_arrays, save_arrays
from hfv_builder.detectors.base import (
    Arrays,
    Curve,
    Evidence,
    Extractor,
    Fitting,
    Floats,
    Lazy,
    Samples,
    Surroundings,
    balanced_weights,
)
from hfv_builder.detectors.frame_images import FrameImages
from hfv_builder.detectors.frame_machine import (
    fit_frames,
    frame_evidence,
    machine_arrays,
    machine_of,
    unit,
    vote_frames,
)
from hfv_builder.detectors.frames import FRAMES
from hfv_builder.detectors.kernels import EXACT, Kernel, Machine
from hfv_builder.detectors.prompts import prompts_of
from hfv_builder.detectors.saliency import gradient_maps
from hfv_builder.detectors.schedule import Schedule
from hfv_builder.detectors.training import Task, train_network

BATCH = 64
"""Frames."""
Places = Sequence[tuple[int, int]]
"""Clips and their frames."""
TOWER = "tower."
"""Prefix of the tower's tensors in the weights."""


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(shared.Config):
    """All values are our choice."""

    kernel: Kernel = "rbf"
    c: PositiveFloat = 1.0
    frames: PositiveInt = FRAMES
    exact: PositiveInt = EXACT
    prompts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    epochs: PositiveInt = 10
    frames_per_epoch: PositiveInt = 4
    """Randomly chosen frames of a clip per epoch."""
    rate: PositiveFloat = 1e-5
    weight_decay: NonNegativeFloat = 0.05
    patience: PositiveInt = 3
    """Epochs without a better validation accuracy after which training ends."""


class FtClip:
    """A fine-tuned tower and a support vector machine on its vectors."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config, self._surroundings = config, surroundings
        self._prompts = prompts_of(surroundings.classes, config.prompts)
        folder = surroundings.weights.open("clip")
        model: Any = load_clip(folder)
        self._vectors = embed_prompts(model, folder, self._prompts).to(surroundings.device)
        self._scale = float(model.logit_scale.detach().exp())
        self._tower = model.visual.to(surroundings.device)
        mean, std = ([255 * value for value in own] for own in (model.visual.image_mean, model.visual.image_std))
        self._normalize = Normalize(mean, std, surroundings.device)
        self._side = int(np.max(model.visual.image_size))
        self._machine: Machine
        """Set by `fit` and `load`."""

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames."""
        return (FrameImages(self._side, self._config.frames),)

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Fine-tune the tower, choose the epoch by the accuracy on validation frames, then fit the machine."""
        config, count = self._config, len(self._surroundings.classes)
        share = torch.tensor(balanced_weights(train.classes, count), dtype=torch.float32, device=self._vectors.device)

        task: Task[Places, tuple[Tensor, Tensor]] = Task(
            batches=lambda rng: _batches(_drawn_frames(train.features, config.frames_per_epoch, rng)),
            load=lambda places, rng: _loaded(train, places),
            loss=lambda loaded: self._loss(*loaded, share),
            validate=lambda: self._accuracy(val),
        )
        schedule = Schedule(
            epochs=config.epochs,
            rate=config.rate,
            weight_decay=config.weight_decay,
            patience=config.patience,
            seed=config.seed,
        )
        curve = train_network(self._tower, task, schedule, fitting)
        self._machine = fit_frames(
            config.kernel,
            Lazy(train.features, self._embed),
            train.classes,
            count,
            c=config.c,
            seed=config.seed,
            exact=config.exact,
        )
        return curve

    def predict(self, samples: Samples) -> Floats:
        """Return the probabilities by the votes of the frames, (n, classes)."""
        return vote_frames(self._machine, Lazy(samples.features, self._embed))

    def evidence_extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames."""
        return self.extractors()

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return the votes of the frames, and maps of the similarity to the prompts of the answer."""
        features = clip.features[0]
        evidence = frame_evidence(self._machine.decisions(unit(self._embed(features))))
        if not maps:
            return evidence
        prompt = self._vectors[int(evidence.probabilities.argmax())]
        inputs = self._prepared(torch.from_numpy(features.copy()))
        own = gradient_maps(lambda images: (normalize(self._tower(images), dim=1) @ prompt).sum(), inputs)
        return replace(evidence, images=features.transpose(0, 2, 3, 1), maps=own)

    def save(self, path: Path) -> None:
        """Write tower and machine."""
        tower = {TOWER + name: tensor.cpu().numpy() for name, tensor in self._tower.state_dict().items()}
        save_arrays(path, tower | machine_arrays(self._machine))

    def load(self, path: Path) -> None:
        """Read tower and machine."""
        arrays = load_arrays(path)
        own = {name.removeprefix(TOWER): torch.from_numpy(arrays[name]) for name in arrays if name.startswith(TOWER)}
        self._tower.load_state_dict(own)
        self._tower.eval()
        self._machine = machine_of(arrays)

    def _loss(self, images: Tensor, truth: Tensor, share: Tensor) -> Tensor:
        cosines = normalize(self._tower(self._prepared(images)), dim=1) @ self._vectors.T
        return cross_entropy(self._scale * cosines, truth.to(share.device), weight=share)

    def _accuracy(self, val: Samples) -> float:
        """Return the share of validation clips whose mean frame is nearest to the prompts of their class."""
        own = np.flatnonzero(val.classes >= 0).tolist()
        if not own:
            return float("nan")
        vectors = self._vectors.cpu().numpy()
        right = [
            (self._embed(val.features[clip]) @ vectors.T).mean(axis=0).argmax() == val.classes[clip] for clip in own
        ]
        return float(np.mean(right))

    def _embed(self, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            vectors = self._tower(self._prepared(torch.from_numpy(images.copy())))
            return np.asarray(normalize(vectors.float(), dim=1).cpu().numpy())

    def _prepared(self, images: Tensor) -> Tensor:
        return self._normalize(images.to(self._vectors.device).float())


def _batches(places: Places) -> Sequence[Places]:
    return [places[start : start + BATCH] for start in range(0, len(places), BATCH)]


def _loaded(train: Samples, places: Places) -> tuple[Tensor, Tensor]:
    images = torch.from_numpy(np.stack([train.features[clip][frame] for clip, frame in places]))
    return images, torch.from_numpy(train.classes[[clip for clip, _ in places]])


def _drawn_frames(clips: Arrays, count: int, rng: np.random.Generator) -> Places:
    """Return places of clip and frame for one epoch, in random order: `count` distinct frames of every clip."""
    places = [(clip, int(frame)) for clip in range(len(clips)) for frame in rng.permutation(len(clips[clip]))[:count]]
    return [places[place] for place in rng.permutation(len(places))]
