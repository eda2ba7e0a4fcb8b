"""Files of a folder that are no clips: passed over by their names, or a row that says what they are."""

from collections.abc import Callable
from pathlib import Path

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import rows

Fill = Callable[..., Path]


def test_what_is_no_clip_is_passed_over_or_says_why(manifests: Manifests, clips_folder: Fill) -> None:
    folder = clips_folder(count=1)
    notes = "line 1 of some notes on this folder of clips, licences and so on\n" * 9
    names = [
        "info.nfo",
        "card.asc",
        "index.m3u8",
        "list.ffconcat",
        "a.srt",
        "still.tiff",
        "Thumbs.db",
        "LICENSE",
        "x.sha256",
    ]
    for name in names:
        (folder / name).write_text(notes)
    (folder / "pretend.mp4").write_text(f"ffconcat version 1.0\nfile {folder / '000.mp4'}\n")
    (folder / "playlist.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{folder / '000.mp4'}\n#EXT-X-ENDLIST\n")
    (folder / "pointer.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n")
    outcome = catalog(manifests, "kling", folder, cluster=Cluster(workers=0))
    assert (outcome.summary["ok"], outcome.summary["failed"], outcome.summary["passed_over"]) == (1, 3, len(names))
    reasons = {Path(row["path"]).name: row["error"] for row in rows(manifests, CLIPS) if row["error"]}
    assert "playlist" in reasons["pretend.mp4"]
    assert "git lfs pull" in reasons["pointer.mp4"]
