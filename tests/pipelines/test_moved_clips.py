"""Clips that were moved, renamed or copied keep their scores and prompts, and the row of the existing file counts."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.generators import clips_of
from pipelines.outcome import Outcome
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import rows
from tests.pipelines.test_shared_content import FACTS, clips

IN_PROCESS = Cluster(workers=0)
LITE = load_profile("lite")


@pytest.fixture
def _every_file_is_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.catalog.worker.probe", lambda _: FACTS)


def add(manifests: Manifests, folder: Path, prompts: Path | None = None) -> Outcome:
    return catalog(manifests, "kling", folder, prompts=prompts, cluster=IN_PROCESS)


def states(manifests: Manifests) -> dict[str, str]:
    return {row["path"]: row["status"] for row in rows(manifests, CLIPS)}


def test_a_moved_folder_keeps_its_scores(
    manifests: Manifests, clips_folder: Callable[..., Path], cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=2, frames=4)
    add(manifests, folder)
    assert score(manifests, "kling", LITE, cluster=cluster).summary["scored_now"] == 2
    scores = rows(manifests, SCORES)
    moved = folder.rename(tmp_path / "moved")
    outcome = add(manifests, moved)
    assert (outcome.summary["ok"], outcome.summary["unseen"], outcome.exit_code) == (2, 0, 0)
    assert states(manifests) == {str(moved / "000.mp4"): "ok", str(moved / "001.mp4"): "ok"}
    assert score(manifests, "kling", LITE, cluster=cluster).summary["scored_now"] == 0
    assert rows(manifests, SCORES) == scores
    renamed = (moved / "000.mp4").rename(moved / "renamed.mp4")
    add(manifests, moved)
    assert states(manifests) == {str(renamed): "ok", str(moved / "001.mp4"): "ok"}
    assert score(manifests, "kling", LITE, cluster=cluster).summary["scored_now"] == 0
    assert rows(manifests, SCORES) == scores


@pytest.mark.usefixtures("_every_file_is_a_clip")
@pytest.mark.parametrize("below", ["", "sub/deeper"])
def test_a_moved_clip_keeps_its_prompt(manifests: Manifests, tmp_path: Path, below: str) -> None:
    folder = tmp_path / "data" / "old"
    clips(folder / below, ".", "ab")
    (tmp_path / "p.csv").write_text("file,prompt\na.mp4,a dance\nb.mp4,a run\n")
    add(manifests, folder, tmp_path / "p.csv")
    prompts = {row["clip_id"]: row["prompt"] for row in rows(manifests, CLIPS)}
    moved = folder.rename(tmp_path / "data" / "new")
    add(manifests, moved)
    (moved / below / "a.mp4").rename(moved / below / "z.mp4")
    add(manifests, moved)
    assert sorted(Path(path).name for path in states(manifests)) == ["b.mp4", "z.mp4"]
    assert {row["clip_id"]: row["prompt"] for row in rows(manifests, CLIPS)} == prompts


@pytest.mark.usefixtures("_every_file_is_a_clip")
@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_a_copy_replaces_a_deleted_original(manifests: Manifests, tmp_path: Path, order: tuple[str, str]) -> None:
    original, copy = (clips(tmp_path, name, "ab") for name in order)
    for folder in (original, copy):
        add(manifests, folder)
    assert len(clips_of(manifests, "kling", [])) == 2
    shutil.rmtree(original)
    outcome = add(manifests, copy)
    assert states(manifests) == {str(copy / "a.mp4"): "ok", str(copy / "b.mp4"): "ok"}
    assert outcome.summary["unseen"] == 0


@pytest.mark.usefixtures("_every_file_is_a_clip")
@pytest.mark.parametrize("absence", ["gone", "empty"])
def test_a_copy_counts_while_the_disk_of_its_original_is_absent(
    manifests: Manifests, tmp_path: Path, absence: str
) -> None:
    disk, other = clips(tmp_path, "disk", "abc"), clips(tmp_path, "other", "a")
    for folder in (disk, other):
        add(manifests, folder)
    unplugged = disk.rename(tmp_path / "unplugged")
    if absence == "empty":
        disk.mkdir()
    outcome = add(manifests, other)
    assert outcome.summary["unseen"] == 3  # some of its clips are nowhere else, so the folder was not moved
    assert states(manifests) == {
        str(disk / "a.mp4"): "duplicate",
        str(disk / "b.mp4"): "ok",
        str(disk / "c.mp4"): "ok",
        str(other / "a.mp4"): "ok",
    }
    if absence == "empty":
        disk.rmdir()
    unplugged.rename(disk)
    for folder in (other, disk):
        outcome = add(manifests, folder)
        assert (outcome.summary["ok"], outcome.summary["duplicate"], outcome.summary["unseen"]) == (3, 1, 0)


@pytest.mark.usefixtures("_every_file_is_a_clip")
def test_a_folder_can_be_moved_several_times_and_back(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "a", "xyz")
    add(manifests, folder)
    for name in ("b", "c", "a"):
        folder = folder.rename(tmp_path / name)
        add(manifests, folder)
        assert states(manifests) == {str(folder / f"{content}.mp4"): "ok" for content in "xyz"}


@pytest.mark.usefixtures("_every_file_is_a_clip")
def test_a_moved_folder_stays_the_owner(manifests: Manifests, tmp_path: Path) -> None:
    folder = clips(tmp_path, "sora", "xy")
    catalog(manifests, "sora", folder, cluster=IN_PROCESS)
    catalog(manifests, "kling", clips(tmp_path, "kling", "xz"), cluster=IN_PROCESS)
    catalog(manifests, "sora", folder.rename(tmp_path / "moved"), cluster=IN_PROCESS)
    assert len(clips_of(manifests, "sora", [])) == 2
    assert len(clips_of(manifests, "kling", [])) == 1
