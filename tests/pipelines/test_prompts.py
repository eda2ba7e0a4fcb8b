"""Prompts: of the files they were told for, for as long as the files are there."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import age, raising, rows

Fill = Callable[..., Path]


def test_prompts(manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path) -> None:
    folder = clips_folder(count=3)
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\n000.mp4,A man  runs\n001.mp4,a man runs\n")
    catalog(manifests, "kling", folder, prompts=prompts, cluster=cluster)
    found = {Path(row["path"]).name: (row["prompt"], row["prompt_group"]) for row in rows(manifests, CLIPS)}
    assert found["000.mp4"][0] == "A man  runs"
    assert found["000.mp4"][1] == found["001.mp4"][1] is not None
    assert found["002.mp4"] == (None, None)


def test_prompts_are_those_of_their_folder(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    """Generators name their clips alike in every folder; and one folder's name may begin like another's."""
    folder = clips_folder(count=2)
    for name, prompt in (("a", "a cat"), ("ab", "a dog")):
        other = tmp_path / name
        shutil.copytree(folder, other)
        with (other / "000.mp4").open("ab") as file:
            file.write(name.encode())  # no copy
        (tmp_path / f"{name}.csv").write_text(f"file,prompt\n000.mp4,{prompt}\n")
        catalog(manifests, "kling", other, prompts=tmp_path / f"{name}.csv", cluster=cluster)
    shutil.copy(tmp_path / "ab" / "000.mp4", tmp_path / "a" / "again.mp4")
    catalog(manifests, "kling", tmp_path / "a", prompts=tmp_path / "a.csv", cluster=cluster)
    found = {row["path"]: row["prompt"] for row in rows(manifests, CLIPS)}
    assert found[str(tmp_path / "a" / "000.mp4")] == "a cat"
    assert found[str(tmp_path / "ab" / "000.mp4")] == "a dog"


def test_prompts_outlast_a_file_that_is_read_again(
    manifests: Manifests, clips_folder: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `make score`, which tells none; and though the first try is killed before the rows are in their place."""
    folder = clips_folder(count=2)
    (tmp_path / "p.csv").write_text("file,prompt\n000.mp4,a cat\n")
    catalog(manifests, "kling", folder, prompts=tmp_path / "p.csv", cluster=Cluster(workers=0))
    age(monkeypatch)
    os.utime(folder / "000.mp4", (time.time(), time.time()))
    with monkeypatch.context() as patch:
        patch.setattr(Manifests, "replace", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            catalog(manifests, "kling", folder, cluster=Cluster(workers=0))
    age(monkeypatch)
    catalog(manifests, "kling", folder, cluster=Cluster(workers=0))
    assert [row["prompt"] for row in manifests.read(CLIPS).sort_by("path").to_pylist()] == ["a cat", None]
