"""The demo, in small: from rendered clips to a release that `datasets` loads."""

from pathlib import Path

import datasets
import pytest

from hfv_builder.samples import SampleSpec, sample_plan
from pipelines.demo import stage
from pipelines.release.verify import verify
from pipelines.workers.cluster import Cluster

EACH = 4
"""Clips of each source."""


def few(*, seed: int) -> list[SampleSpec]:
    kept: dict[str, list[SampleSpec]] = {}
    for spec in sample_plan(seed=seed):
        kept.setdefault(spec.generator, []).append(spec)
    return [spec for specs in kept.values() for spec in specs[:: len(specs) // EACH][:EACH]]


def test_the_demo_ends_with_a_release_that_loads(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "sample_plan", few)
    monkeypatch.setattr(stage, "Cluster", lambda **_: cluster)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    outcome = stage.demo(tmp_path / "demo")
    made = Path(outcome.summary["release"])
    assert outcome.exit_code == 0
    assert str(made) in outcome.text
    assert "clip-svm-binary" in outcome.text
    sets = ["demo-b", "demo-b@control", "demo-b@jpeg50"]
    assert [*outcome.summary["loaded"]] == ["default", *sets]
    line = next(line for line in outcome.text.splitlines() if line.startswith("loaded with `datasets`: default ("))
    assert all(f"{name} ({outcome.summary['loaded'][name]} clips)" in line for name in sets)
    assert {row["run"] for row in outcome.summary["detectors"]} == {"chance", "metadata", "prior", "clip-svm-binary"}
    assert (tmp_path / "demo" / "results" / "results.html").is_file()
    datasets.disable_progress_bars()
    evaluated = datasets.load_dataset(str(made), "demo-b")["test"].cast_column("video", datasets.Video(decode=False))
    assert sum(name == "demo-b" for name in evaluated["generator"]) == EACH
    assert evaluated.features["label"].names == ["spatial", "appearance", "motion", "real"]
    assert len(evaluated) == outcome.summary["loaded"]["demo-b"]
    trained = datasets.load_dataset(str(made))
    assert trained["train"].num_rows + trained["validation"].num_rows >= EACH
    assert verify(made).summary["problems"] == []
