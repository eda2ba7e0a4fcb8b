"""The detector `humansam` (Liu et al., ICCV 2025): video and depth branches, fused, trained with a rank-weighted loss.

Written from the paper and the behaviour of the released code; that code has no licence, and no part of it was copied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from hfv_builder.backends.precision import autocast
from hfv_builder.detectors import config as shared
from hfv_builder.detectors.arrays import load_arrays, save_arrays, unreadable
from hfv_builder.detectors.backbones import make_backbone
from hfv_builder.detectors.base import Curve, Evidence, Extractor, Fitting, Floats, Samples, Surroundings, answer_of
from hfv_builder.detectors.clip_frames import SegmentFrames
from hfv_builder.detectors.features import Uncached
from hfv_builder.detectors.humansam_network import HumanSamNetwork, tuning
from hfv_builder.detectors.humansam_views import Batch, Views, pictured
from hfv_builder.detectors.pretrained import ORIGIN, network_arrays
from hfv_builder.detectors.quarter_depth import DepthVector
from hfv_builder.detectors.rank_loss import Emphasis, rank_weights, weighted_loss
from hfv_builder.detectors.saliency import gradient_maps
from hfv_builder.detectors.schedule import Precision, Schedule, cosine
from hfv_builder.detectors.training import Task, train_network
from hfv_builder.records import UsageError

DEPTH_WIDTH = "depth_width"
"""Name of the width of the depth vector among the arrays of a trained detector; 0 without the branch."""


@plain(frozen=True, kw_only=True)
class Preset:
    """The values that differ between the paper and the released code. The configuration can override them."""

    rate: float
    alpha_rate: float
    layer_decay: float
    is_aligned: bool
    """Whether every view gets the depth of its own clip."""
    decay_embeddings: bool


PRESETS: Mapping[str, Preset] = {
    "paper": Preset(rate=2e-5, alpha_rate=1e-3, layer_decay=0.85, is_aligned=True, decay_embeddings=False),
    "released": Preset(
        rate=2e-5 * 4 / 256, alpha_rate=2e-5 * 4 / 256, layer_decay=1.0, is_aligned=False, decay_embeddings=True
    ),
}


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(shared.Config):
    """The preset replaces None; `docs/detectors.md` says which values are the paper's and which our choice."""

    preset: Literal["paper", "released"] = "paper"
    backbone: str = "internvideo2-l"
    backbone_weights: str = ""
    """A file, or a folder of transformers; empty: the one in the folder of the weights, named as the backbone."""
    cat: bool = True
    """Concatenate the averages of the tokens with the attention-pooled feature."""
    depth: bool = True
    rank_loss: bool = True
    emphasis: Emphasis = "weakest"
    rate: PositiveFloat | None = None
    alpha_rate: NonNegativeFloat | None = None
    layer_decay: PositiveFloat | None = None
    weight_decay: NonNegativeFloat = 0.05
    epochs: PositiveInt = 100
    warmup: NonNegativeFloat = 5.0
    patience: PositiveInt = 100
    """Epochs without a better validation accuracy after which training ends."""
    batch: PositiveInt = 2
    """Clips."""
    views: PositiveInt = 2
    """Augmented views of each clip of a batch."""
    batches_per_step: PositiveInt = 1
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    drop_path: float = Field(default=0.1, ge=0, lt=1)
    operations: NonNegativeInt = 4
    """Of RandAugment."""
    magnitude: float = Field(default=7.0, ge=0, le=10)
    least_crop: float = Field(default=0.08, gt=0, le=1)
    erasing: float = Field(default=0.25, ge=0, le=1)
    """Probability of random erasing."""
    temporal_views: PositiveInt = 4
    spatial_views: PositiveInt = 3
    cache_frames: bool = True
    """Keep the frames of the temporal views on disk, and draw from them in training too; otherwise every clip is
    decoded once per epoch, and training draws from all its frames."""
    checkpointing: bool = False
    precision: Literal["auto"] | Precision = "auto"


class HumanSam:
    """The network, its input and its training."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config, self._surroundings = config, surroundings
        self._preset = PRESETS[config.preset]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self._backbone = make_backbone(
                config.backbone,
                surroundings.weights,
                own_file=config.backbone_weights,
                drop_path=config.drop_path,
                checkpointing=config.checkpointing,
                start=not surroundings.is_trained,
            )
        self._views = Views(
            side=self._backbone.side,
            frames=self._backbone.frames,
            operations=config.operations,
            magnitude=config.magnitude,
            least_crop=config.least_crop,
            erasing=config.erasing,
        )
        self._depth = DepthVector(surroundings.device, surroundings.weights) if config.depth else None
        self._network: HumanSamNetwork
        """Set by `fit` and `load`."""

    @property
    def origin(self) -> str:
        """The SHA-256 of the published file from which the backbone starts."""
        return self._backbone.origin

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames, and the depth vector."""
        short_side = self._backbone.side * 256 // 224
        views = self._config.temporal_views if self._config.cache_frames else 0
        own: Extractor = SegmentFrames(short_side, self._backbone.frames, views)
        if not self._config.cache_frames:
            own = Uncached(own)
        return (own, self._depth) if self._depth else (own,)

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Train both the backbone and the head, and keep the epoch with the best accuracy on validation clips.

        Raises:
            UsageError: a forged clip has no rank and the loss needs it, or a batch is too small.
        """
        config = self._config
        weights = rank_weights(train.rows, config.emphasis) if config.rank_loss else np.ones(len(train.rows))
        views = min(config.batch, len(train.rows)) * config.views
        if config.cat and views * self._backbone.averages < 2:
            raise UsageError("a batch has a single view, which cannot be normalised: set batch or views to at least 2")
        width = len(train.further[0][0]) if config.depth else 0
        self._network = network = self._new_network(width).to(self._surroundings.device)
        task: Task[Sequence[int], Batch] = Task(
            batches=lambda rng: _batches(len(train.rows), config.batch, rng),
            load=lambda places, rng: self._views.load(train, places, weights, config.views, rng),
            loss=lambda batch: self._loss(network, batch),
            validate=lambda: self._accuracy(val),
        )
        return train_network(network, task, self._schedule(network), fitting, threads=4)

    def predict(self, samples: Samples) -> Floats:
        """Return the mean of the probabilities of all views, (n, classes)."""
        return np.stack([self.view_probabilities(samples, place).mean(axis=0) for place in range(len(samples.rows))])

    def view_probabilities(self, samples: Samples, place: int) -> Floats:
        """Return the probabilities of the views of a clip, (temporal · spatial views, classes), rows that sum to 1."""
        return self._judged(samples, place, self._config.temporal_views, self._config.spatial_views)

    def _judged(self, samples: Samples, place: int, temporal: int, spatial: int) -> Floats:
        network, device, depth = self._network, self._surroundings.device, self._depth_of(samples, place)
        with torch.inference_mode(), autocast(self._precision, device):
            views = torch.stack([*self._views.evaluated(samples.features[place], temporal, spatial)])
            return np.asarray(network(views.to(device), depth).double().softmax(dim=1).cpu().numpy())

    def evidence_extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames, and the depth vector."""
        return self.extractors()

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return the probabilities from each view, α, and the maps of the middle view."""
        network, views = self._network, self.view_probabilities(clip, 0)
        fusion = float(network.share().detach()) if self._config.depth else None
        evidence = Evidence(probabilities=views.mean(axis=0), views=views, view="view", fusion=fusion)
        if not maps:
            return evidence
        (video,) = self._views.evaluated(clip.features[0], 1, 1)
        answer, depth = int(evidence.probabilities.argmax()), self._depth_of(clip, 0)
        frames = video.transpose(0, 1)
        own = gradient_maps(
            lambda inputs: network(inputs.transpose(0, 1)[None], depth)[0, answer], frames.to(self._surroundings.device)
        )
        return replace(evidence, images=pictured(frames), maps=own)

    def save(self, path: Path) -> None:
        """Write all parameters, the width of the depth vector, and what the backbone started from."""
        depth = self._network.align.out_features if self._network.align is not None else 0
        arrays = network_arrays(self._network, self._backbone.origin)
        save_arrays(path, arrays | {DEPTH_WIDTH: np.array(depth)})

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""
        arrays = load_arrays(path)
        try:
            self._backbone.origin = arrays.pop(ORIGIN).tobytes().decode()
            network = self._new_network(int(arrays.pop(DEPTH_WIDTH)))
            tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
            network.load_state_dict(tensors, assign=True)
        except (KeyError, RuntimeError) as error:
            raise unreadable(path, error) from None
        self._network = network.to(self._surroundings.device).eval()

    def _depth_of(self, samples: Samples, place: int) -> Tensor | None:
        """Return the depth vector of a clip, (1, D); None without the depth branch."""
        if not self._config.depth:
            return None
        return torch.from_numpy(samples.further[0][place].copy())[None].to(self._surroundings.device)

    def _new_network(self, depth_width: int) -> HumanSamNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._config.seed)
            return HumanSamNetwork(
                self._backbone, len(self._surroundings.classes), cat=self._config.cat, depth_width=depth_width
            )

    def _schedule(self, network: HumanSamNetwork) -> Schedule:
        config, preset = self._config, self._preset
        rate = preset.rate if config.rate is None else config.rate
        alpha = preset.alpha_rate if config.alpha_rate is None else config.alpha_rate
        return Schedule(
            epochs=config.epochs,
            rate=rate,
            weight_decay=config.weight_decay,
            patience=config.patience,
            seed=config.seed,
            pace=cosine(warmup=config.warmup),
            tuning=partial(
                tuning,
                network,
                layer_decay=preset.layer_decay if config.layer_decay is None else config.layer_decay,
                alpha=alpha / rate,
                decay_embeddings=preset.decay_embeddings,
            ),
            batches_per_step=config.batches_per_step,
            precision=self._precision,
        )

    def _loss(self, network: HumanSamNetwork, batch: Batch) -> Tensor:
        own = batch.to(self._surroundings.device)
        depth = own.depth if self._preset.is_aligned else own.misaligned_depth(self._config.views)
        return weighted_loss(network(own.video, depth), own.truth, own.weights, smoothing=self._config.smoothing)

    def _accuracy(self, val: Samples) -> float:
        """Return the share of validation clips whose middle view gets the largest probability for their class."""
        known = np.flatnonzero(val.classes >= 0).tolist()
        right = [answer_of(self._judged(val, place, 1, 1)[0]) == val.classes[place] for place in known]
        return float(np.mean(right)) if right else float("nan")

    @property
    def _precision(self) -> Precision:
        chosen = self._config.precision
        if chosen == "auto":
            return "fp16" if self._surroundings.device.startswith("cuda") else "fp32"
        return chosen


def _batches(clips: int, size: int, rng: np.random.Generator) -> Sequence[Any]:
    """Return the clips of an epoch in random order, in whole batches; the last incomplete batch is left out."""
    order = rng.permutation(clips)
    whole = max(1, clips // size)
    return [order[start : start + size] for start in range(0, whole * size, size)]
