"""From a profile to models: the driver calls `resolve` once, each worker calls `load` for every model.

The module of a backend is imported when it is loaded, so that commands that score nothing import no model library.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from hfv_builder.backends.packages import missing_packages
from hfv_builder.backends.specs import BACKENDS
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.fingerprint import DECIDES, fingerprint
from hfv_builder.profiles.profile import Depth, Embedding, Flow, Profile, argument, for_device
from hfv_builder.records import METRICS, Metric, UsageError

Section = Flow | Depth | Embedding


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A profile with everything that determines its scores on one device. Small enough to be sent with every task."""

    profile: Profile
    """The profile, with every `auto` precision replaced."""
    metrics: tuple[Metric, ...]
    device: str
    revisions: dict[str, str]
    """The revision of the backend, by section, for all sections that the metrics need."""
    fingerprints: dict[Metric, str]
    """The fingerprint of each metric."""


def resolve(
    profile: Profile, metrics: Iterable[Metric] = METRICS, *, device: str = "cpu", store: WeightsDir | None = None
) -> Resolved:
    """Return the profile with its precisions, revisions and fingerprints. Loads no model and requires no weights.

    Resolving the profile of a `Resolved` again gives an equal result, unless weights or libraries have changed.

    Args:
        device: `cpu` or `cuda`, with or without an index.
        store: the directory of the weights; None uses the default directory.
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
    """Return the model that a section of a profile describes, on the device.

    Returns:
        A `FlowModel`, `DepthModel` or `EmbeddingModel`, depending on the type of `config`.

    Raises:
        UsageError: its weights are missing, damaged or do not fit.
    """
    spec = BACKENDS[config.backend]
    module = import_module(f"hfv_builder.backends.{spec.module}")
    if spec.weights is not None and device.startswith("cuda"):
        import_module("hfv_builder.backends.precision").forbid_rounding()
    return module.load(config, device, store or WeightsDir())


def revision(config: Section, device: str, store: WeightsDir | None = None) -> str:
    """Return a string that identifies what determines a backend's output besides its parameters.

    For a learnt backend it contains the weights, the recipe and the type of the device, since a GPU resizes and sums in
    another order. For a classical backend, which always runs on the CPU, it contains the version of OpenCV and the
    recipe. Imports no model library.
    """
    spec = BACKENDS[config.backend]
    if spec.weights is None:
        import cv2

        return f"opencv-{cv2.__version__}/{spec.recipe}"
    return f"{(store or WeightsDir()).revision(config.backend)} /{spec.recipe} {device.split(':')[0]}"


def needed_sections(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """Return the sections of a profile that describe the models of these metrics, without repetition."""
    return tuple(dict.fromkeys(name for metric in metrics for name in DECIDES[metric] if name != metric.value))


def backends(profile: Profile, metrics: Iterable[Metric] = METRICS) -> tuple[str, ...]:
    """Return the names of the backends that these metrics need under this profile, without repetition."""
    return tuple(dict.fromkeys(getattr(profile, name).backend for name in needed_sections(metrics)))


def learnt(profile: Profile, metrics: Iterable[Metric] = METRICS) -> tuple[str, ...]:
    """Return the names of the backends among these that have weights."""
    return tuple(name for name in backends(profile, metrics) if BACKENDS[name].weights is not None)


def require(profile: Profile, metrics: Iterable[Metric] = METRICS, store: WeightsDir | None = None) -> None:
    """Check that the packages and weights of these metrics are present, without importing a model library.

    Raises:
        UsageError: packages are missing, or weights are missing, truncated or of the wrong size.
    """
    needed = dict.fromkeys(package for name in backends(profile, metrics) for package in BACKENDS[name].packages)
    if missing := missing_packages(needed):
        raise UsageError(f"scoring needs {', '.join(missing)}: install with `pip install -e '.[models]'`")
    store_of(profile, store).require(learnt(profile, metrics))


def store_of(profile: Profile, store: WeightsDir | None = None) -> WeightsDir:
    """Return the directory of the weights whose errors name this profile; None uses the default directory."""
    store = store or WeightsDir()
    return store if store.profile != "paper" else replace(store, profile=argument(profile.name))
