"""The lazy table of backends: a module is imported when its backend is first used, so that a profile pays only for
what it names, and a command that scores nothing imports none.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.fingerprint import DECIDES, fingerprint
from hfv_builder.profiles.profile import CLASSICAL, Depth, Embedding, Flow, Profile, for_device
from hfv_builder.records import METRICS, Metric

MODULES = {
    "depth_pro": "depth_pro",
    "raft_large": "raft",
    "raft_small": "raft",
    "clip": "clip",
    "dinov2": "dinov2",
    "dis": "classical_flow",
    "apparent_size": "classical_depth",
    "lab_histogram": "classical_embedding",
}
"""The module of each backend."""

RECIPE = {"dis": 2, "apparent_size": 3, "lab_histogram": 3}
"""Raised by one whenever a classical backend gives other results for the same frames and parameters."""

Section = Flow | Depth | Embedding


def load(config: Section, device: str, store: WeightsDir | None = None) -> Any:
    """The model that this section of a profile describes, on that device: a `FlowModel`, `DepthModel` or
    `EmbeddingModel`, by the kind of section.

    Args:
        store: where the weights are; None looks in the default place.

    Raises:
        UsageError: its weights are not there, or not right.
    """
    module = import_module(f"hfv_builder.backends.{MODULES[config.backend]}")
    return module.load(config, device, store or WeightsDir())


def revision(config: Section, device: str, store: WeightsDir | None = None) -> str:
    """What decides a backend's output besides its parameters: the library and recipe, or the weights, their licence and
    the kind of device (a GPU resizes and sums in other ways; classical backends run on the CPU wherever they are).

    No model and no heavy library is imported.
    """
    if config.backend in CLASSICAL:
        import cv2

        return f"opencv-{cv2.__version__}/{RECIPE[config.backend]}"
    return f"{(store or WeightsDir()).revision(config.backend)} {device.split(':')[0]}"


def sections(metric: Metric) -> tuple[str, ...]:
    """The sections of a profile that describe a model of this metric."""
    return tuple(name for name in DECIDES[metric] if name != metric.value)


def learnt(profile: Profile, metrics: Iterable[Metric] = METRICS) -> tuple[str, ...]:
    """The backends with weights that these metrics need under this profile, each once."""
    names = dict.fromkeys(getattr(profile, name).backend for metric in metrics for name in sections(metric))
    return tuple(name for name in names if name not in CLASSICAL)


def require(profile: Profile, metrics: Iterable[Metric] = METRICS, store: WeightsDir | None = None) -> None:
    """Check, before anything heavy is imported, that all weights are there that these metrics need.

    Raises:
        UsageError: some are missing or cut short; one sentence says which, where, and the ways out.
    """
    (store or WeightsDir()).require(learnt(profile, metrics))


def fingerprints(
    profile: Profile, metrics: Iterable[Metric] = METRICS, *, device: str = "cpu", store: WeightsDir | None = None
) -> dict[Metric, str]:
    """The fingerprint of each of these metrics under this profile on this kind of device; no model is loaded.

    Weights that none of these metrics needs are not looked at.
    """
    settled = for_device(profile, device)
    metrics = tuple(metrics)
    names = dict.fromkeys(name for metric in metrics for name in sections(metric))
    revisions = {name: revision(getattr(settled, name), device, store) for name in names}
    return {metric: fingerprint(settled, metric, revisions) for metric in metrics}
