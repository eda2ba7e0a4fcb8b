"""From a profile to models: `resolve` settles on the driver what decides the scores, `load` builds a model in a worker.

A module is imported when its backend is loaded, so that a command that scores nothing imports no model library.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

from hfv_builder.backends.specs import BACKENDS
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.fingerprint import DECIDES, fingerprint
from hfv_builder.profiles.profile import Depth, Embedding, Flow, Profile, for_device
from hfv_builder.records import METRICS, Metric, UsageError

Section = Flow | Depth | Embedding


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A profile with all that decides its scores on one kind of device; small enough to travel with every task."""

    profile: Profile
    """With the precision of every model settled."""
    metrics: tuple[Metric, ...]
    device: str
    revisions: dict[str, str]
    """Of the backend of each section that these metrics need."""
    fingerprints: dict[Metric, str]
    """Of each of the metrics."""


def resolve(
    profile: Profile, metrics: Iterable[Metric] = METRICS, *, device: str = "cpu", store: WeightsDir | None = None
) -> Resolved:
    """Return what decides the scores of these metrics under this profile; no model is loaded, no weights are required.

    Resolving the profile of a `Resolved` again gives the same, unless weights or libraries changed in between.

    Args:
        device: `cpu` or `cuda`, with or without an index.
        store: where the weights are; None looks in the default place.
    """
    profile, metrics = for_device(profile, device), tuple(metrics)
    revisions = {name: revision(getattr(profile, name), device, store) for name in needed_sections(metrics)}
    return Resolved(
        profile=profile,
        metrics=metrics,
        device=device,
        revisions=revisions,
        fingerprints={metric: fingerprint(profile, metric, revisions) for metric in metrics},
    )


def load(config: Section, device: str, store: WeightsDir | None = None) -> Any:
    """Return the model that this section of a profile describes, on that device.

    Returns:
        A `FlowModel`, `DepthModel` or `EmbeddingModel`, by the kind of section.

    Raises:
        UsageError: its weights are missing or damaged.
    """
    module = import_module(f"hfv_builder.backends.{BACKENDS[config.backend].module}")
    return module.load(config, device, store or WeightsDir())


def revision(config: Section, device: str, store: WeightsDir | None = None) -> str:
    """Return what decides a backend's output besides its parameters; imports no model library.

    For a learnt backend these are its weights, our recipe and the kind of device, since a GPU resizes and sums in
    another order; for a classical one, which always runs on the CPU, the version of OpenCV and our recipe.
    """
    spec = BACKENDS[config.backend]
    if spec.weights is None:
        import cv2

        return f"opencv-{cv2.__version__}/{spec.recipe}"
    return f"{(store or WeightsDir()).revision(config.backend)} /{spec.recipe} {device.split(':')[0]}"


def needed_sections(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """Return the names of the profile's sections that describe a model of these metrics, without repetition."""
    return tuple(dict.fromkeys(name for metric in metrics for name in DECIDES[metric] if name != metric.value))


def backends(profile: Profile, metrics: Iterable[Metric] = METRICS) -> tuple[str, ...]:
    """Return the names of the backends that these metrics need under this profile, without repetition."""
    return tuple(dict.fromkeys(getattr(profile, name).backend for name in needed_sections(metrics)))


def learnt(profile: Profile, metrics: Iterable[Metric] = METRICS) -> tuple[str, ...]:
    """Return the names of those that have weights."""
    return tuple(name for name in backends(profile, metrics) if BACKENDS[name].weights is not None)


def require(profile: Profile, metrics: Iterable[Metric] = METRICS, store: WeightsDir | None = None) -> None:
    """Check that all packages and weights that these metrics need are present; nothing heavy is imported.

    Raises:
        UsageError: some are missing or truncated; one sentence names them, the place and the cures.
    """
    needed = dict.fromkeys(package for name in backends(profile, metrics) for package in BACKENDS[name].packages)
    missing = [package for package in needed if not _installed(package)]
    if missing:
        raise UsageError(f"scoring needs {', '.join(missing)}: install with `pip install -e '.[models]'`")
    (store or WeightsDir()).require(learnt(profile, metrics))


def _installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True
