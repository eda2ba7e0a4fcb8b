"""Files that are no clips are passed over and counted by kind, or have a row with a reason."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.clips.kinds import POINTER
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.cli import main
from pipelines.workers.cluster import Cluster
from tests.clips.test_kinds import POINTER_FILE, image_file, images
from tests.pipelines.conftest import age, rows

Fill = Callable[..., Path]
IN_PROCESS = Cluster(workers=0)
NOTES = "line 1 of some notes on this folder of clips, licences and so on\n" * 9
FILES_BESIDE_CLIPS = {
    "info.nfo": "text",
    "card.asc": "text",
    "index.m3u8": "playlist",
    "list.ffconcat": "playlist",
    "a.srt": "subtitles",
    "still.tiff": "still image",
    "Thumbs.db": "leftover of another program",
    "LICENSE": "text",
    "x.sha256": "checksums",
    "notes": "text",
    "model.safetensors": "weights",
    "a.mp4.part": "unfinished download",
}
"""Files beside clips, with their kinds."""


def test_files_that_are_no_clips_are_passed_over_or_fail(manifests: Manifests, clips_folder: Fill) -> None:
    folder = clips_folder(count=1)
    for name in FILES_BESIDE_CLIPS:
        (folder / name).write_text(NOTES)
    (folder / "pretend.mp4").write_text(f"ffconcat version 1.0\nfile {folder / '000.mp4'}\n")
    (folder / "page.mp4").write_text("<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>")
    (folder / "pointer.mp4").write_text(POINTER_FILE)
    (folder / "dangling.mp4").symlink_to("no/such/file.mp4")
    outcome = catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    assert (outcome.summary["ok"], outcome.summary["failed"]) == (1, 2)
    reasons = {Path(row["path"]).name: row["error"] for row in rows(manifests, CLIPS) if row["error"]}
    assert reasons["pretend.mp4"].endswith("its content is playlist")
    assert reasons["page.mp4"].endswith("its content is text")

    passed_over = {Path(row["file"]).name: row["reason"] for row in outcome.details["passed_over_files"].to_pylist()}
    assert passed_over == FILES_BESIDE_CLIPS | {"pointer.mp4": POINTER, "dangling.mp4": "broken link"}
    assert outcome.summary["passed_over"] == len(passed_over)
    assert outcome.summary["passed_over_by"]["text"] == 4
    assert "14 other files passed over: 4 text, 2 playlist" in outcome.text
    assert "1 Git LFS pointer (run `git lfs pull`)" in outcome.text
    assert "Thumbs.db" not in outcome.terminal()
    assert "Thumbs.db" in outcome.terminal(verbose=True)
    assert len(json.loads(outcome.json())["passed_over_files"]) == len(passed_over)


def test_files_passed_over_are_no_failure_and_not_read_again(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=1)
    age(monkeypatch)
    (folder / "pointer.mp4").write_text(POINTER_FILE)
    (folder / "README").write_text(NOTES)
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).exit_code == 0
    again = catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    assert (again.exit_code, again.summary["read"], again.summary["passed_over"]) == (0, 0, 2)
    (folder / "pointer.mp4").write_bytes((folder / "000.mp4").read_bytes() + b"free")  # the pointer was pulled
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["ok"] == 2


def test_rows_of_files_that_are_no_clips_are_removed(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions catalogued these files as failed clips."""
    folder = clips_folder(count=1)
    age(monkeypatch)
    for name in ("README.xyz", "pointer.mp4", "Thumbs.db"):
        (folder / name).write_text(POINTER_FILE)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.catalog.folder.kind_by_name", lambda _: "")
        patch.setattr("pipelines.catalog.folder.kind_by_content", lambda *_: "")
        assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["clips"] == 4
    outcome = catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    assert (outcome.summary["clips"], outcome.summary["passed_over"], outcome.exit_code) == (1, 3, 0)


@pytest.mark.parametrize("name", ["only.webp", "only.png"])
def test_animations_of_image_formats_are_clips(manifests: Manifests, tmp_path: Path, name: str) -> None:
    kind, folder = name[5:].upper(), tmp_path / "clips"
    folder.mkdir()
    (folder / f"still.{kind}").write_bytes(image_file(kind, 1))
    with pytest.raises(UsageError, match=r"there is no clip in .*; it has 1 × still image; put"):
        catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    (folder / name).write_bytes(image_file(kind, 6))
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).summary["ok"] == 1
    (row,) = rows(manifests, CLIPS)
    assert (row["width"], row["height"], row["num_frames"]) == (*images(1)[0].size, 6)
    assert row["codec"] == {"WEBP": "webp", "PNG": "apng"}[kind]


def test_a_folder_of_git_lfs_pointers_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], manifests: Manifests
) -> None:
    (tmp_path / "clips").mkdir()
    for number in range(3):
        (tmp_path / "clips" / f"{number}.mp4").write_text(POINTER_FILE)
    command = ["catalog", "--generator", "kling", "--clips", str(tmp_path / "clips"), "--workers", "0"]
    assert main([*command, "--manifests", str(manifests.root)]) == 2
    assert "it has 3 × Git LFS pointer (run `git lfs pull`)" in capsys.readouterr().err
    assert not manifests.partitions(CLIPS)
