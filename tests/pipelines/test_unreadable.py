"""Files that cannot be read have a row with a reason, are tried again, and do not affect others."""

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
    ("step", "error", "by_next_run"),
    [("local_copy", OSError(errno.EIO, "Input/output error"), True), ("probe", RuntimeError("no room"), False)],
)
def test_failed_files_are_tried_again(
    manifests: Manifests,
    clips_folder: Fill,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: Exception,
    by_next_run: bool,
) -> None:
    """The next run tries files again that could not be opened, and all failed files with `--retry-failed`."""
    folder = clips_folder(count=2)
    age(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(f"pipelines.catalog.worker.{step}", raising(error))
        assert catalog(manifests, "kling", folder, cluster=Cluster(workers=0)).summary["failed"] == 2
    assert {row["sha256"] is None for row in rows(manifests, CLIPS)} == {by_next_run}
    if not by_next_run:
        assert {row["error"] for row in rows(manifests, CLIPS)} == {"RuntimeError: no room"}
        assert catalog(manifests, "kling", folder, cluster=Cluster(workers=0)).summary["read"] == 0
    summary = catalog(manifests, "kling", folder, retry_failed=not by_next_run, cluster=Cluster(workers=0)).summary
    assert (summary["read"], summary["ok"], summary["failed"]) == (2, 2, 0)


@pytest.mark.usefixtures("cluster")  # so that workers find the imports done
def test_files_that_kill_their_worker_fail_alone(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=2)
    for seed, name in enumerate(("probe", "read")):
        write_clip(folder / f"{name}.mp4", moving_square(5, seed=seed))
    age(monkeypatch)
    with Cluster(workers=1).connect() as client:
        client.register_plugin(DeadlyFiles())
        assert catalog(manifests, "kling", folder, cluster=Cluster(client=client)).summary["failed"] == 2
    by_name = {Path(row["path"]).name: row for row in rows(manifests, CLIPS)}
    for name in ("probe.mp4", "read.mp4"):
        assert by_name[name]["error"].startswith("it killed its worker")
        assert by_name[name]["status"] == "failed"
    assert by_name["probe.mp4"]["clip_id"]
    assert by_name["read.mp4"]["clip_id"] is None
    summary = catalog(manifests, "kling", folder, cluster=Cluster(workers=0)).summary
    assert (summary["read"], summary["ok"], summary["failed"]) == (1, 3, 1)


def test_a_name_that_is_not_utf_8_is_catalogued_and_scored(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster
) -> None:
    """Such a file is a clip, and is not confused with a file of a similar name."""
    folder = clips_folder(count=1)
    names = [b"caf\xe8.mp4", b"caf\xe9.mp4", b"caf\\xe9.mp4", b"dir-\xff/c.mp4"]
    for number, name in enumerate(names):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        write_clip(folder / "new.mp4", moving_square(5, seed=number + 9))
        path.parent.mkdir(exist_ok=True)
        (folder / "new.mp4").rename(path)
    assert catalog(manifests, "kling", folder, cluster=cluster).summary["ok"] == 5
    paths = {row["path"].removeprefix("file://").removeprefix(str(folder)) for row in rows(manifests, CLIPS)}
    assert paths == {"/000.mp4", "/caf%E8.mp4", "/caf%E9.mp4", "/caf\\xe9.mp4", "/dir-%FF/c.mp4"}
    assert score(manifests, "kling", load_profile("lite"), cluster=cluster).summary["failed"] == 0


def test_decord_refuses_a_name_that_is_not_utf_8(clips_folder: Fill) -> None:
    path = clips_folder(count=1) / "000.mp4"
    with pytest.raises(ClipError, match="its name is not valid UTF-8; rename the file"):
        list(decode(path.rename(path.with_name(os.fsdecode(b"caf\xe9.mp4"))), decoder="decord"))
