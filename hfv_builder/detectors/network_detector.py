"""The shared part of detectors with one network on views of a clip. A view is one frame, or some frames together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hfv_builder.detectors import config as shared
from hfv_builder.detectors.arrays import load_arrays, save_arrays, unreadable
from hfv_builder.detectors.base import (
    Curve,
    Evidence,
    Extractor,
    Fitting,
    Floats,
    Ints,
    Samples,
    Surroundings,
    answer_of,
)
from hfv_builder.detectors.frames import FRAMES
from hfv_builder.detectors.pretrained import ORIGIN, network_arrays, weights_file
from hfv_builder.detectors.saliency import gradient_maps
from hfv_builder.detectors.schedule import Pace, Precision, Schedule
from hfv_builder.detectors.training import Task, train_network
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256

Array = npt.NDArray[Any]
C = TypeVar("C", bound="NetworkConfig")


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class NetworkConfig(shared.Config):
    """The additional configuration keys of these detectors."""

    frames: PositiveInt = FRAMES
    """Evenly spaced frames of a clip."""
    epochs: PositiveInt = 100
    rate: PositiveFloat = 1e-4
    """The highest learning rate."""
    weight_decay: NonNegativeFloat = 0.0
    batch: PositiveInt = 64
    """Views."""
    batches_per_step: PositiveInt = 1
    """Batches whose mean gradient makes a step; several processes share them."""
    views_per_epoch: PositiveInt = 4
    """Randomly chosen views of a clip per epoch."""
    precision: Precision = "fp32"
    pretrained: bool = True
    """Whether training starts from published weights; otherwise it starts from random ones and needs no files."""


def paced(
    config: NetworkConfig, pace: Pace, optimizer: Callable[..., torch.optim.Optimizer], *, least: float = 0.0
) -> Schedule:
    """Return the schedule of a configuration; training ends after its epochs or below the learning rate `least`."""
    return Schedule(
        epochs=config.epochs,
        rate=config.rate,
        weight_decay=config.weight_decay,
        patience=config.epochs,
        seed=config.seed,
        pace=pace,
        optimizer=optimizer,
        least=least,
        batches_per_step=config.batches_per_step,
        precision=config.precision,
    )


class NetworkDetector(Generic[C]):
    """A network from views to classes. The probabilities of a clip are the mean of those of its views.

    A subclass says what the network is, what a view is, and how training draws one.
    """

    view = "frame"
    """What a view is called."""
    published = ""
    """The initial weights, a name of `PRETRAINED`; empty for random ones."""

    def __init__(self, config: C, surroundings: Surroundings) -> None:
        """Make the detector.

        Raises:
            UsageError: published weights are needed and missing.
        """
        self.config, self.surroundings = config, surroundings
        if self.published and config.pretrained and not surroundings.is_trained:
            weights_file(self.published, surroundings.weights.root)
        self._network: nn.Module
        """Set by `fit` and `load`."""
        self._origin = ""

    @cached_property
    def origin(self) -> str:
        """The SHA-256 of the published file from which training starts; empty for random weights."""
        is_published = self.published and self.config.pretrained
        return file_sha256(weights_file(self.published, self.surroundings.weights.root)) if is_published else ""

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames."""
        raise NotImplementedError

    def build(self) -> nn.Module:
        """Return the network with random weights: views, as `inputs` returns them, to (n, classes)."""
        raise NotImplementedError

    def start(self, network: nn.Module) -> None:
        """Set the initial weights.

        Raises:
            UsageError: they are missing or do not fit.
        """
        raise NotImplementedError

    def draw(self, features: Array, rng: np.random.Generator) -> Array:
        """Return one randomly chosen and augmented view of a clip for training."""
        raise NotImplementedError

    def views(self, features: Array) -> Array:
        """Return the views by which a clip is classified, (views, …, 3, H, W) uint8."""
        return features

    def inputs(self, views: Tensor) -> Tensor:
        """Return views as the network takes them, float32 on their device."""
        raise NotImplementedError

    def schedule(self) -> Schedule:
        """Return the schedule of the training."""
        raise NotImplementedError

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Train the network by cross-entropy, and choose the epoch by the accuracy on validation clips.

        Raises:
            UsageError: training diverged, or a batch is too small.
        """
        network, config = self._made(), self.config
        if config.pretrained:
            self.start(network)
        self._origin = self.origin
        network = self._network = network.to(self.surroundings.device)

        def batches(rng: np.random.Generator) -> Sequence[Ints]:
            places = rng.permutation(np.repeat(np.arange(len(train.classes)), config.views_per_epoch))
            return np.array_split(places, -(-len(places) // config.batch))

        def load(places: Ints, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
            views = np.stack([self.draw(train.features[int(place)], rng) for place in places])
            return torch.from_numpy(views), torch.from_numpy(train.classes[places])

        def loss(loaded: tuple[Tensor, Tensor]) -> Tensor:
            views, truth = (tensor.to(self.surroundings.device) for tensor in loaded)
            try:
                return cross_entropy(network(self.inputs(views)), truth)
            except ValueError as error:  # of batch normalisation
                if len(views) > 1:
                    raise
                raise UsageError(
                    f"a batch has a single view, which cannot be normalised ({error}): set batch to at least 2"
                ) from None

        task: Task[Ints, tuple[Tensor, Tensor]] = Task(
            batches=batches, load=load, loss=loss, validate=lambda: self._accuracy(val)
        )
        return train_network(network, task, self.schedule(), fitting, threads=4)

    def predict(self, samples: Samples) -> Floats:
        """Return the mean probabilities of the views, (n, classes)."""
        own = [self._judged(self.views(samples.features[place])).mean(axis=0) for place in range(len(samples.rows))]
        return np.stack(own)

    def evidence_extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the frames."""
        return self.extractors()

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return the probabilities from each view, and the maps of the views."""
        views = self.views(clip.features[0])
        each = self._judged(views)
        evidence = Evidence(probabilities=each.mean(axis=0), views=each, view=self.view)
        if not maps:
            return evidence
        return with_maps(evidence, views, self._network, self.inputs(self._tensor(views)))

    def save(self, path: Path) -> None:
        """Write the network, and the hash of the published file from which its training started."""
        save_arrays(path, network_arrays(self._network, self._origin))

    def load(self, path: Path) -> None:
        """Read the network; published weights are not needed any more."""
        network, arrays = self._made(), load_arrays(path)
        try:
            self._origin = arrays.pop(ORIGIN).tobytes().decode()
            network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        except (KeyError, RuntimeError) as error:
            raise unreadable(path, error) from None
        self._network = network.to(self.surroundings.device).eval()

    def _made(self) -> nn.Module:
        """Return the network with the random weights of the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return self.build()

    def _judged(self, views: Array) -> Floats:
        """Return the probabilities of each view, (views, classes) float64."""
        with torch.inference_mode():
            values = self._network(self.inputs(self._tensor(views)))
            return np.asarray(values.double().softmax(dim=1).cpu().numpy())

    def _tensor(self, views: Array) -> Tensor:
        return torch.from_numpy(np.array(views, order="C")).to(self.surroundings.device)

    def _accuracy(self, val: Samples) -> float:
        """Return the share of validation clips that are classified correctly; NaN without validation clips."""
        own = np.flatnonzero(val.classes >= 0).tolist()
        if not own:
            return float("nan")
        answers = [answer_of(self._judged(self.views(val.features[place])).mean(axis=0)) for place in own]
        return float(np.mean(np.array(answers) == val.classes[own]))


def check_crop(side: int, resized: int) -> None:
    """Check that a crop of `side` fits into a frame of `resized` pixels.

    Raises:
        UsageError: it does not.
    """
    if side > resized:
        raise UsageError(f"side is {side} and resized is {resized}: make resized at least as large as side")


def with_maps(evidence: Evidence, views: Array, network: nn.Module, inputs: Tensor) -> Evidence:
    """Return the evidence with the gradient of the answer's value by the pixels of the views.

    Args:
        evidence: without maps.
        views: (views, …, 3, H, W) uint8.
        network: from `inputs` to the values of the classes.
        inputs: the views as the network takes them.
    """
    answer = int(evidence.probabilities.argmax())
    return replace(
        evidence,
        images=views.reshape(-1, *views.shape[-3:]).transpose(0, 2, 3, 1),
        maps=gradient_maps(lambda own: network(own)[:, answer].sum(), inputs),
    )
