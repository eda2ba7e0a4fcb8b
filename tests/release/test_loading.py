"""A release is loaded by the tools that people use: datasets, pandas, DuckDB, polars and mlcroissant, all offline."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import duckdb
import mlcroissant
import pandas as pd
import pytest

from hfv_builder.frames.video import frames
from hfv_builder.release.dataset import configs_of
from hfv_builder.release.metadata import NAMES, SCHEMA
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SPLITS


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True, raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def load(made: Path, config: str) -> Any:
    return datasets.load_dataset(str(made), config)


def test_every_configuration_loads(made: Path, filled: Manifests) -> None:
    wanted = filled.read(SPLITS).to_pandas().set_index("clip_id")
    assert datasets.get_dataset_config_names(str(made)) == ["default", "other", "third.2"]
    default = load(made, "default")
    assert {name: len(rows) for name, rows in default.items()} == {
        "train": (wanted["split"] == "train").sum(),
        "validation": (wanted["split"] == "val").sum(),
    }
    tested = 0
    for config in ("other", "third.2"):
        loaded = load(made, config)
        assert [*loaded] == ["test"]
        rows = loaded["test"].cast_column("video", datasets.Video(decode=False))
        assert {*rows["generator"]} == {config, "film"}
        assert {*rows["label"]} >= {3}
        tested += sum(name == config for name in rows["generator"])
    assert tested == (wanted["split"].eq("test") & wanted["generator"].ne("film")).sum()


def test_labels_are_classes_and_videos_are_files(made: Path, filled: Manifests) -> None:
    wanted = filled.read(SPLITS).to_pandas().set_index("clip_id")["label"]
    rows = load(made, "default")["train"].cast_column("video", datasets.Video(decode=False))
    assert rows.features["label"] == datasets.ClassLabel(names=NAMES)
    for row in rows:
        assert row["label"] == wanted[row["clip_id"]]
        assert len(list(frames(Path(row["video"]["path"])))) == 8


def test_pandas_and_duckdb_read_the_metadata_as_it_is(made: Path) -> None:
    frame = pd.read_parquet(made / "data" / "train" / "metadata.parquet")
    assert [*frame.columns] == SCHEMA.names
    assert frame["label"].dtype == "int64"
    assert all((made / "data" / "train" / name).is_file() for name in frame["file_name"])
    found = duckdb.execute(f"select count(*), count(distinct clip_id) from '{made}/*/*/metadata.parquet'")  # noqa: S608
    assert found.fetchall() == [(24, 24)]


def test_no_folder_has_ten_thousand_entries_and_every_clip_is_there_once(made: Path) -> None:
    stems = [path.stem for path in made.rglob("*.mp4")]
    assert len(stems) == len({*stems}) == 24
    assert max(len(list(folder.iterdir())) for folder in made.rglob("*") if folder.is_dir()) < 10_000


@pytest.mark.filterwarnings("ignore")  # its own libraries warn
def test_croissant_is_valid_and_gives_the_first_record_of_every_record_set(made: Path) -> None:
    dataset = mlcroissant.Dataset(str(made / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())
    names = [each.uuid for each in dataset.metadata.record_sets]
    assert names == ["labels", "train", "validation", "eval/film", "eval/other", "eval/third.2"]
    for name in names:
        record = next(iter(dataset.records(name)))
        assert record[f"{name}/name" if name == "labels" else f"{name}/clip_id"]


def test_the_snippets_of_the_card_run(made: Path, tmp_path: Path) -> None:
    text = (made / "README.md").read_text()
    snippets = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(snippets) == 3
    code = "import os; os.environ.update(HF_HUB_OFFLINE='1', HF_DATASETS_CACHE='cache')\n" + "\n".join(snippets)
    (tmp_path / "snippets.py").write_text(code)
    (tmp_path / made.name).symlink_to(made)
    done = subprocess.run([sys.executable, "snippets.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "spatial" in done.stdout


def test_the_card_and_the_data_name_the_same_configurations(made: Path) -> None:
    rows = pd.concat(
        pd.read_parquet(path).assign(
            folder=path.parent.relative_to(made).as_posix(), split="test" if "eval" in path.parts else "train"
        )
        for path in made.rglob("metadata.parquet")
    )
    assert [config.name for config in configs_of(rows)] == ["default", "other", "third.2"]
