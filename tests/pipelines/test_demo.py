"""The demo with few small clips: from rendering to a release that `datasets` loads."""

from dataclasses import replace
from pathlib import Path

import datasets
import pytest

from hfv_builder.records import UsageError
from hfv_builder.samples import SampleSpec, sample_plan
from pipelines.alone import alone
from pipelines.demo import stage
from pipelines.demo.command import run
from pipelines.release.verify import verify
from pipelines.workers.cluster import Cluster

CLIPS_PER_SOURCE = 4
"""Number of clips of each source."""


def few_specs(*, seed: int) -> list[SampleSpec]:
    specs_of: dict[str, list[SampleSpec]] = {}
    for spec in sample_plan(seed=seed):
        specs_of.setdefault(spec.generator, []).append(spec)
    few = [spec for specs in specs_of.values() for spec in specs[:: len(specs) // CLIPS_PER_SOURCE][:CLIPS_PER_SOURCE]]
    return [replace(spec, width=spec.width // 2, height=spec.height // 2, num_frames=12) for spec in few]


def test_one_demo_at_a_time_is_in_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path, "demo"), pytest.raises(UsageError, match="another hfv is at work on demo in "):
        run(tmp_path, seed=0, workers=1)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(UsageError, match="is not empty and not the folder of a demo: choose another place"):
        run(tmp_path, seed=0, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_the_demo_ends_with_a_release_that_loads(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "sample_plan", few_specs)
    monkeypatch.setattr(stage, "Cluster", lambda **_: cluster)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    own = tmp_path / "demo" / "runs" / "own" / "run.json"  # trained by the user on an earlier demo
    own.parent.mkdir(parents=True)
    own.touch()
    (tmp_path / "demo" / "truth.csv").touch()
    outcome = stage.demo(tmp_path / "demo")
    assert own.exists()
    folder = Path(outcome.summary["release"])
    assert outcome.exit_code == 0
    assert str(folder) in outcome.text
    assert "clip-svm-binary" in outcome.text
    sets = ["demo-b", "demo-b@control", "demo-b@jpeg50"]
    assert [*outcome.summary["loaded"]] == ["default", *sets]
    line = next(line for line in outcome.text.splitlines() if line.startswith("loaded with `datasets`: default ("))
    assert all(f"{name} ({outcome.summary['loaded'][name]} clips)" in line for name in sets)
    assert {row["run"] for row in outcome.summary["detectors"]} == {"chance", "metadata", "prior", "clip-svm-binary"}
    assert (tmp_path / "demo" / "results" / "results.html").is_file()
    page = (tmp_path / "demo" / "report.html").read_text()
    assert f'read_parquet("{tmp_path}/demo/manifests/labels")' in page
    assert "mathdefault" not in page  # numbers at logarithmic axes
    datasets.disable_progress_bars()
    evaluated = datasets.load_dataset(str(folder), "demo-b")["test"].cast_column("video", datasets.Video(decode=False))
    assert sum(name == "demo-b" for name in evaluated["generator"]) == CLIPS_PER_SOURCE
    assert evaluated.features["label"].names == ["spatial", "appearance", "motion", "real"]
    assert len(evaluated) == outcome.summary["loaded"]["demo-b"]
    trained = datasets.load_dataset(str(folder))
    assert trained["train"].num_rows + trained["validation"].num_rows >= CLIPS_PER_SOURCE
    assert verify(folder).summary["problems"] == []
