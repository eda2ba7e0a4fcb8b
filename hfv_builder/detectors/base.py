"""What every detector is, and what it is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.targets import Target

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Extractor(Protocol):
    """Computes what a detector needs of a clip's file; the result is cached by the file's content."""

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


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Clips to learn from or to judge."""

    rows: pd.DataFrame
    """The columns of `reader.Release.rows`."""
    features: Arrays
    """By row; empty arrays for a detector without an extractor."""
    further: tuple[Arrays, ...] = ()
    """By row, what the other extractors of a `features.Combined` computed."""
    classes: Ints
    """(n,), the class of each clip; −1 if the detector has no such class."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a detector is made with besides its own configuration."""

    classes: tuple[str, ...]
    target: Target
    seed: int
    device: str
    weights: WeightsDir
    is_lite: bool
    """Whether the release was made with the profile lite, which needs no weights."""
    is_trained: bool = False
    """Whether `load` follows, so that nothing to start training from is needed."""


Curve = list[dict[str, float]]
"""A row per epoch: epoch, loss, val_accuracy."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What `fit` may use while it runs."""

    folder: Path
    """For what must outlive a kill."""
    report: Callable[[Curve, int], None] = field(default=lambda curve, epochs: None)
    """Called after every epoch with the curve so far and the number of epochs."""


class Detector(Protocol):
    """A classifier of clips. A module of one defines `Config`, `create(config, surroundings)` and these methods."""

    def extractor(self) -> Extractor | None:
        """Return what computes the features; None for a detector that only needs the tables of the release."""

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Learn from the clips and return the learning curve; empty for a detector without epochs.

        Goes on where it was, if `fitting.folder` holds the state of an earlier call with the same arguments.

        Raises:
            UsageError: the release lacks what the detector needs.
        """

    def predict(self, samples: Samples) -> Floats:
        """Return the probability of each class, (n, classes) float64, rows that sum to 1."""

    def save(self, path: Path) -> None:
        """Write what was learnt as safetensors."""

    def load(self, path: Path) -> None:
        """Read what `save` wrote; `predict` then returns the same.

        Raises:
            UsageError: the file is damaged.
        """


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a detector's answer to one clip rests on."""

    probabilities: Floats
    """(classes,), what `predict` returns for the clip."""
    views: Floats
    """(views, classes), the probabilities by each view alone; rows sum to 1."""
    view: str
    """What a view is called, such as `frame`."""
    fusion: float | None = None
    """The share of the video branch in the answer, in [0, 1]; None for a detector that joins no branches."""
    images: npt.NDArray[np.uint8] | None = None
    """(n, H, W, 3) RGB, what `maps` belong to."""
    maps: npt.NDArray[np.float32] | None = None
    """(n, H, W) in [0, 1], how much the answer depends on each place; 1 is the largest of the clip."""


@runtime_checkable
class Explains(Protocol):
    """What a detector offers besides if it can say why it answers as it does."""

    def evidence_extractor(self) -> Extractor:
        """Return what computes the features that `explain` takes: those of `extractor`, or what they are made of.

        A clip is decoded once: `explain` gives its probabilities too.
        """

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return what the answer to one clip rests on.

        Args:
            clip: one row, with the features of `evidence_extractor`.
            maps: whether `images` and `maps` are asked for; a detector that does not look at places leaves them None.
        """


def balanced_weights(classes: Ints, count: int) -> Floats:
    """Return the weight of each class, (count,): n / (classes that occur · clips of the class), as scikit-learn's."""
    sizes = np.bincount(classes, minlength=count).astype(np.float64)
    weights = np.divide(len(classes), (sizes > 0).sum() * sizes, out=np.zeros(count), where=sizes > 0)
    return np.asarray(weights, np.float64)


def stacked(features: Arrays, places: Sequence[int]) -> npt.NDArray[Any]:
    """Return the features of some clips as one array, (n, …)."""
    return np.stack([features[place] for place in places])
