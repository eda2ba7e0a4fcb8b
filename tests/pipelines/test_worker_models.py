"""A worker keeps the models that a run requires, and is refused if it has other weights."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from hfv_builder.backends import registry
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.scoring import scorer as scoring
from hfv_builder.storage.manifest import Manifests
from pipelines.score import models
from pipelines.score.run import ScoringRun
from pipelines.versions import packages

LITE = load_profile("lite")


class Weights:
    """Simulated weights of this machine: `of` has a revision for each section of the profile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of = {"flow": "1", "depth": "1", "background": "1", "subject": "1"}
        self.loaded: list[dict[str, str]] = []
        self.while_loading: Callable[[], None] = lambda: None
        sections = {id(getattr(LITE, name)): name for name in self.of}
        monkeypatch.setattr(registry, "for_device", lambda profile, device: profile)
        monkeypatch.setattr(registry, "revision", lambda config, *_: self.of[sections[id(config)]])
        monkeypatch.setattr(scoring, "Scorer", self._scorer)
        monkeypatch.setattr(models, "_local", threading.local())

    def _scorer(self, resolved: Any) -> dict[str, str]:
        self.while_loading()
        self.loaded.append(dict(self.of))
        return self.loaded[-1]


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> Weights:
    return Weights(monkeypatch)


def run(manifests: Manifests, *metrics: Metric) -> ScoringRun:
    """Return the run that a command would send to workers now."""
    requested = metrics or METRICS
    return ScoringRun(
        manifests=manifests,
        generator="kling",
        resolved=registry.resolve(LITE, requested),
        packages=packages(),
    )


def test_models_are_kept_between_tasks(manifests: Manifests, weights: Weights) -> None:
    assert models.scorer_of(run(manifests)) is models.scorer_of(run(manifests))
    assert len(weights.loaded) == 1


def test_replaced_weights_are_loaded(manifests: Manifests, weights: Weights) -> None:
    models.scorer_of(run(manifests))
    weights.of["depth"] = "2"
    assert models.scorer_of(run(manifests))["depth"] == "2"
    assert len(weights.loaded) == 2


def test_weights_replaced_since_the_command_began_are_refused(manifests: Manifests, weights: Weights) -> None:
    requested = run(manifests)
    weights.of["depth"] = "2"
    with pytest.raises(UsageError, match="for it has other weights"):
        models.scorer_of(requested)
    newer = run(manifests)
    assert models.scorer_of(newer)["depth"] == "2"
    with pytest.raises(UsageError, match="for it has other weights"):
        models.scorer_of(requested)  # the models in memory have other weights


def test_weights_replaced_while_they_are_loaded_are_refused(manifests: Manifests, weights: Weights) -> None:
    requested = run(manifests)
    weights.while_loading = lambda: weights.of.update(depth="2")
    for _ in range(2):
        with pytest.raises(UsageError, match="for it has other weights"):
            models.scorer_of(requested)


def test_weights_of_other_metrics_may_differ_or_be_missing(manifests: Manifests, weights: Weights) -> None:
    requested = run(manifests, Metric.MOTION)
    assert set(requested.resolved.fingerprints) == {Metric.MOTION}
    del weights.of["depth"], weights.of["subject"]
    weights.of["background"] = "2"
    models.scorer_of(requested)
    weights.of["flow"] = "2"
    models.scorer_of(requested)  # the models in memory are the required ones
    assert len(weights.loaded) == 1
