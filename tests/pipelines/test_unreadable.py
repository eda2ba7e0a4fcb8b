"""Files that cannot be read: a row and a reason each, another try, and no harm to the others."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.frames.video import decode
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import ClipError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import age, raising, rows
from tests.pipelines.deadly import DeadlyFiles

Fill = Callable[..., Path]


@pytest.mark.parametrize(
    ("step", "error", "by_itself"),
    [("local_copy", OSError(errno.EIO, "Input/output error"), True), ("probe", RuntimeError("no room"), False)],
)
def test_what_failed_is_tried_again(
    manifests: Manifests,
    clips_folder: Fill,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: Exception,
    by_itself: bool,
) -> None:
    """By the next run if it could not be opened, else when asked."""
    folder = clips_folder(count=2)
    age(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(f"pipelines.catalog.worker.{step}", raising(error))
        assert catalog(manifests, "kling", folder, cluster=Cluster(workers=0)).summary["failed"] == 2
    assert {row["sha256"] is None for row in rows(manifests, CLIPS)} == {by_itself}
    if not by_itself:
        assert {row["error"] for row in rows(manifests, CLIPS)} == {"RuntimeError: no room"}
        assert catalog(manifests, "kling", folder, cluster=Cluster(workers=0)).summary["read"] == 0
    again = catalog(manifests, "kling", folder, retry_failed=not by_itself, cluster=Cluster(workers=0)).summary
    assert (again["read"], again["ok"], again["failed"]) == (2, 2, 0)


@pytest.mark.usefixtures("cluster")  # its workers' imports are there already
def test_files_that_kill_whoever_reads_them(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=2)
    for at, name in enumerate(("probe", "read")):
        write_clip(folder / f"{name}.mp4", moving_square(5, seed=at))
    age(monkeypatch)
    with Cluster(workers=1).connect() as client:
        client.register_plugin(DeadlyFiles())
        assert catalog(manifests, "kling", folder, cluster=Cluster(client=client)).summary["failed"] == 2
    found = {Path(row["path"]).name: row for row in rows(manifests, CLIPS)}
    for name in ("probe.mp4", "read.mp4"):
        assert found[name]["error"].startswith("it killed its worker")
        assert found[name]["status"] == "failed"
    assert found["probe.mp4"]["clip_id"]
    assert found["read.mp4"]["clip_id"] is None
    again = catalog(manifests, "kling", folder, cluster=Cluster(workers=0)).summary
    assert (again["read"], again["ok"], again["failed"]) == (1, 3, 1)


def test_a_name_that_is_no_text(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    """It is a clip like any other, and no other name is taken for it."""
    folder = clips_folder(count=1)
    names = [b"caf\xe8.mp4", b"caf\xe9.mp4", b"caf\\xe9.mp4", b"dir-\xff/c.mp4"]
    for at, name in enumerate(names):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        write_clip(folder / "new.mp4", moving_square(5, seed=at + 9))
        path.parent.mkdir(exist_ok=True)
        (folder / "new.mp4").rename(path)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["ok"] == 5
    found = {row["path"].removeprefix("file://").removeprefix(str(folder)) for row in rows(manifests, CLIPS)}
    assert found == {"/000.mp4", "/caf%E8.mp4", "/caf%E9.mp4", "/caf\\xe9.mp4", "/dir-%FF/c.mp4"}
    assert score(manifests, "kling", load_profile("lite"), cluster=cluster).summary["failed"] == 0


def test_decord_cannot_open_a_name_that_is_no_text(clips_folder: Fill) -> None:
    path = clips_folder(count=1) / "000.mp4"
    with pytest.raises(ClipError, match="its name is not valid UTF-8; rename the file"):
        list(decode(path.rename(path.with_name(os.fsdecode(b"caf\xe9.mp4"))), decoder="decord"))
