"""The detector `clip-svm`: support vector machines on frame embeddings (Bohacek and Farid, arXiv 2412.00526)."""

from pathlib import Path

from pydantic import PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from hfv_builder.detectors import config as shared
from hfv_builder.detectors.arrays import load_arrays, save_arrays
from hfv_builder.detectors.base import Curve, Evidence, Extractor, Fitting, Floats, Samples, Surroundings
from hfv_builder.detectors.embeddings import AUTO, FrameEmbeddings, chosen_embedding
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


@dataclass(frozen=True, kw_only=True, config=shared.STRICT)
class Config(shared.Config):
    """The paper gives neither C nor gamma nor the number of frames: the values here are our choice."""

    kernel: Kernel = "rbf"
    c: PositiveFloat = 1.0
    """C, the cost of a misclassified frame; gamma is 1 / (D · variance)."""
    embedding: str = AUTO
    """auto: clip, or lab_histogram for a release of the profile lite."""
    frames: PositiveInt = FRAMES
    """Evenly spaced frames of a clip."""
    exact: PositiveInt = EXACT
    """Number of training frames above which the kernel is approximated."""


class ClipSvm:
    """A support vector machine on frames, whose votes decide the class of the clip."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config, self._surroundings = config, surroundings
        self._machine: Machine
        """Set by `fit` and `load`."""

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what computes the embeddings.

        Raises:
            UsageError: the weights are missing.
        """
        own = self._surroundings
        name = chosen_embedding(self._config.embedding, is_lite=own.is_lite)
        return (FrameEmbeddings(name, own.device, own.weights, count=self._config.frames),)

    def fit(self, train: Samples, val: Samples, fitting: Fitting) -> Curve:
        """Fit the machine to all frames of the training clips."""
        config, count = self._config, len(self._surroundings.classes)
        self._machine = fit_frames(
            config.kernel, train.features, train.classes, count, c=config.c, seed=config.seed, exact=config.exact
        )
        return []

    def predict(self, samples: Samples) -> Floats:
        """Return the probabilities by the votes of the frames, (n, classes)."""
        return vote_frames(self._machine, samples.features)

    def evidence_extractors(self) -> tuple[Extractor, ...]:
        """Return what computes the embeddings."""
        return self.extractors()

    def explain(self, clip: Samples, *, maps: bool) -> Evidence:
        """Return the votes of the frames. An embedding has no spatial positions, so there are no maps."""
        return frame_evidence(self._machine.decisions(unit(clip.features[0])))

    def save(self, path: Path) -> None:
        """Write the machine as arrays."""
        save_arrays(path, machine_arrays(self._machine))

    def load(self, path: Path) -> None:
        """Read the machine."""
        self._machine = machine_of(load_arrays(path))
