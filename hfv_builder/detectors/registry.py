"""The table of detectors. A module is imported when its detector is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hfv_builder.detectors.base import Detector, Surroundings
from hfv_builder.detectors.config import Config, config_of
from hfv_builder.records import UsageError


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """One detector, a row of the table."""

    module: str
    """The module of `hfv_builder.detectors` with its class and `Config`."""
    kind: str
    """The class, which is constructed from its configuration and `Surroundings`."""
    looks_at: str
    """Its input, as a text for people."""
    is_floor: bool = False
    """Whether it is in every table, as a detector that does not look at frames."""
    has_epochs: bool = False
    """Whether validation clips choose the epoch."""
    needs_scores: bool = False
    """Whether it reads the three scores of a clip instead of its file."""


DETECTORS: Mapping[str, DetectorSpec] = {
    "chance": DetectorSpec(
        module="chance", kind="Chance", looks_at="nothing: the share of each class in train", is_floor=True
    ),
    "metadata": DetectorSpec(
        module="metadata", kind="Metadata", looks_at="size, rate, length, bytes and codec of the file", is_floor=True
    ),
    "prior": DetectorSpec(
        module="prior", kind="Prior", looks_at="the three scores of the release", is_floor=True, needs_scores=True
    ),
    "clip-svm": DetectorSpec(
        module="clip_svm", kind="ClipSvm", looks_at="embeddings of 16 frames, by a support vector machine"
    ),
    "clip-prompt": DetectorSpec(
        module="clip_prompt", kind="ClipPrompt", looks_at="embeddings of 16 frames, compared with those of prompts"
    ),
    "ft-clip": DetectorSpec(
        module="ft_clip", kind="FtClip", looks_at="16 frames, by a fine-tuned image tower of CLIP", has_epochs=True
    ),
    "humansam": DetectorSpec(
        module="humansam",
        kind="HumanSam",
        looks_at="8 frames by a video transformer, and the depth of two",
        has_epochs=True,
    ),
    "uni-fd": DetectorSpec(
        module="uni_fd",
        kind="UniFd",
        looks_at="embeddings of 8 frames by a frozen CLIP, by a linear layer",
        has_epochs=True,
    ),
    "cnndet": DetectorSpec(module="cnndet", kind="CnnDet", looks_at="16 frames, by a ResNet-50", has_epochs=True),
    "timesformer": DetectorSpec(
        module="timesformer",
        kind="Timesformer",
        looks_at="8 frames at a time, by attention over space and time",
        has_epochs=True,
    ),
    "f3net": DetectorSpec(
        module="f3net", kind="F3Net", looks_at="frequencies of 16 frames, by two Xceptions", has_epochs=True
    ),
}
FLOORS = tuple(name for name, spec in DETECTORS.items() if spec.is_floor)


def spec_of(name: str) -> DetectorSpec:
    """Return the row of a detector.

    Raises:
        UsageError: there is none.
    """
    if name not in DETECTORS:
        raise UsageError(f"there is no detector {name!r}: choose from {', '.join(DETECTORS)}")
    return DETECTORS[name]


def configure(name: str, values: Mapping[str, Any], where: str) -> Config:
    """Return the configuration of a detector from values by key.

    Raises:
        UsageError: there is no such detector, a key is unknown, or a value is wrong; `where` says in which place.
    """
    kind: type[Config] = _module(name).Config
    return config_of(kind, values, where)


def create(name: str, config: Config, surroundings: Surroundings) -> Detector:
    """Return an untrained detector.

    Raises:
        UsageError: weights are missing, or the detector does not support the target.
    """
    if surroundings.device.startswith("cuda"):
        import_module("hfv_builder.backends.precision").forbid_rounding()
    detector: Detector = getattr(_module(name), spec_of(name).kind)(config, surroundings)
    return detector


def _module(name: str) -> Any:
    return import_module(f"hfv_builder.detectors.{spec_of(name).module}")
