"""The interface of detectors, and their inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.backends.weights import WeightsDir

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Extractor(Protocol):
    """Computes the features of a clip from its file; the result is cached by the file's content."""

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides the result but the file."""

    def extract(self, path: Path) -> npt.NDArray[Any]:
        """Return the features of the clip. May be called from several threads.

        Raises:
            ClipError: the clip cannot be read.
        """


class Arrays(Protocol):
    """The features of many clips, in the order of the rows of `Samples`; may be on disk."""

    def __len__(self) -> int:
        """Return the number of clips."""

    def __getitem__(self, place: int) -> npt.NDArray[Any]:
        """Return the features of a clip, read-only."""


@dataclass(frozen=True)
class Lazy:
    """The features of many clips, each computed from an item at each access."""

    items: Sequence[Any] | Arrays
    compute: Callable[[Any], npt.NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.items)

    def __getitem__(self, place: int) -> npt.NDArray[Any]:
        """Return the features of a clip."""
        return self.compute(self.items[place])


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Clips to train on or to classify."""

    rows: pd.DataFrame
    """The columns of `reader.Release.rows`."""
    features: Arrays
    """By row, what the first extractor computed; empty arrays for a detector without one."""
    further: tuple[Arrays, ...] = ()
    """By row, what the extractors after the first computed."""
    classes: Ints
    """(n,), the class of each clip; −1 if the detector has no such class."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The inputs of a detector's constructor besides its own configuration."""

    classes: tuple[str, ...]
    device: str
    weights: WeightsDir
    is_lite: bool
    """Whether the release was made with the profile lite, which needs no weights."""
    is_trained: bool = False
    """Whether `load` follows, so that no weights to start training from are needed."""


Curve = list[dict[str, float]]
"""A row per epoch: epoch, loss, val_accuracy."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """Resources that `fit` may use."""

    folder: Path
    """The folder for the state that must survive a kill."""
    report: Callable[[Curve, int], None] = field(default=lambda curve, epochs: None)
    """Called after every epoch with the curve so far and the number of epochs."""


class Detector(Protocol):
    """A classifier of clips. Its module also defines its `Config`."""

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what computes the features; empty for a detector that only needs the tables of the release."""

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Train on the clips and return the learning curve; empty for a detector without epochs.

        Resumes if `fitting.folder` holds the state of an earlier call with the same arguments.

        Raises:
            UsageError: the release lacks what the detector needs.
        """

    def predict(self, samples: Samples) -> Floats:
        """Return the probability of each class, (n, classes) float64, rows that sum to 1; NaN for a clip without input.

        Args:
            samples: at least one clip.
        """

    def save(self, path: Path) -> None:
        """Write the trained parameters as safetensors."""

    def load(self, path: Path) -> None:
        """Read what `save` wrote; `predict` then returns the same.

        Raises:
            UsageError: the file is damaged.
        """


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a detector's answer for one clip is based on."""

    probabilities: Floats
    """(classes,), what `predict` returns for the clip."""
    views: Floats
    """(views, classes), the probabilities from each single view; rows sum to 1."""
    view: str
    """What a view is called, such as `frame`."""
    fusion: float | None = None
    """The weight of the video branch in the answer, in [0, 1]; None for a detector without fused branches."""
    images: npt.NDArray[np.uint8] | None = None
    """(n, H, W, 3) RGB, the images to which `maps` belong."""
    maps: npt.NDArray[np.float32] | None = None
    """(n, H, W) in [0, 1], how much the answer depends on each place; 1 is the largest of the clip."""


@runtime_checkable
class Explains(Protocol):
    """Additional methods of a detector that can say what its answers are based on."""

    def evidence_extractors(self) -> tuple[Extractor, ...]:
        """Return the extractors of the input of `explain`: those of `extractors`, or of the data these compute from.

        `explain` also gives the probabilities of the clip, so that each clip is decoded once.
        """

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return what the answer for one clip is based on.

        Args:
            clip: one row, with the features of `evidence_extractors`.
            maps: whether to compute `images` and `maps`; a detector without spatial input leaves them None.
        """


@runtime_checkable
class HasOrigin(Protocol):
    """An additional property of a detector whose training starts from a published file."""

    @property
    def origin(self) -> str:
        """The SHA-256 of the file; empty for random weights."""


def fingerprint_of(detector: Detector) -> str:
    """Return what identifies everything that decides the features of a detector; empty without features."""
    return " + ".join(extractor.fingerprint for extractor in detector.extractors())


def answer_of(probabilities: Floats) -> int:
    """Return the most probable class; −1 if a probability is NaN, which would count as the largest.

    Args:
        probabilities: (classes,).
    """
    return -1 if np.isnan(probabilities).any() else int(probabilities.argmax())


def balanced_weights(classes: Ints, count: int) -> Floats:
    """Return the weight of each class, (count,): n / (classes that occur · clips of the class), as scikit-learn's."""
    sizes = np.bincount(classes, minlength=count).astype(np.float64)
    weights = np.divide(len(classes), (sizes > 0).sum() * sizes, out=np.zeros(count), where=sizes > 0)
    return np.asarray(weights, np.float64)


def stacked(features: Arrays, places: Sequence[int]) -> npt.NDArray[Any]:
    """Return the features of some clips as one array, (n, …)."""
    return np.stack([features[place] for place in places])
