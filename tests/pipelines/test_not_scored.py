"""Clips that were not scored are tried again, and runs that would write wrong rows are refused."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.backends import registry
from hfv_builder.frames import video
from hfv_builder.frames.video import decode
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import ClipError, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.label.stage import label
from pipelines.score import models
from pipelines.score import worker as shard
from pipelines.score.stage import score
from pipelines.versions import packages
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import raising, rows

Fill = Callable[..., Path]
LITE = load_profile("lite")


def test_a_clip_whose_file_was_missing_is_scored_once_it_exists(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster
) -> None:
    folder = clips_folder(count=2, frames=4)
    catalog(manifests, "kling", folder, cluster=cluster)
    missing = folder / "000.mp4"
    missing.rename(folder.parent / "away.mp4")
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert [failure["reason"] for failure in outcome.summary["failures"]] == ["not scored: No such file or directory"]
    (folder.parent / "away.mp4").rename(missing)
    again = score(manifests, "kling", LITE, cluster=cluster)
    assert (again.summary["scored_now"], again.summary["failed"], again.exit_code) == (1, 0, 0)
    assert len(rows(manifests, SCORES)) == 6


@pytest.mark.parametrize("damaged", [False, True])
def test_a_clip_that_is_replaced_while_it_is_scored_has_no_score(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    file = clips_folder(count=1, frames=4) / "000.mp4"
    catalog(manifests, "kling", file.parent, cluster=Cluster(workers=0))

    def decode_late(path: Path, **options: Any) -> Iterator[Any]:
        write_clip(file, moving_square(9, seed=99))
        if damaged:
            file.write_bytes(file.read_bytes()[:99])
        return decode(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(video, "decode", decode_late)
        outcome = score(manifests, "kling", LITE, cluster=Cluster(workers=0))
    assert outcome.summary["failures"][0]["reason"].startswith("not scored: it was replaced while it was scored")


def test_changed_content_is_not_scored_under_the_old_id(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=2, frames=4)
    undisturbed = Manifests(tmp_path / "undisturbed")
    for target in (manifests, undisturbed):
        catalog(target, "kling", folder, cluster=cluster)
    score(undisturbed, "kling", LITE, cluster=cluster)
    before = (folder / "000.mp4").read_bytes()
    write_clip(folder / "000.mp4", moving_square(9, seed=99))
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert [failure["reason"].split(";")[0] for failure in outcome.summary["failures"]] == [
        "not scored: it has changed since it was catalogued"
    ]
    (folder / "000.mp4").write_bytes(before)
    assert score(manifests, "kling", LITE, cluster=cluster).exit_code == 0
    assert rows(manifests, SCORES) == rows(undisturbed, SCORES)


def test_a_clip_that_the_catalogue_could_not_read_is_scored_after_a_retry(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=1, frames=4)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.catalog.worker.probe", raising(ClipError("its decoder is away")))
        catalog(manifests, "kling", folder, cluster=Cluster(workers=0))
    (failure,) = score(manifests, "kling", LITE, cluster=cluster).summary["failures"]
    assert failure["reason"].startswith("not scored: its decoder")
    assert score(manifests, "kling", LITE, cluster=cluster).summary["scored_now"] == 0
    catalog(manifests, "kling", folder, retry_failed=True, cluster=cluster)
    again = score(manifests, "kling", LITE, cluster=cluster)
    assert (again.summary["scored_now"], again.exit_code) == (1, 0)


def test_a_catalogue_that_is_not_finished_is_refused(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster
) -> None:
    """Its rows do not tell yet which clips are real and which files are gone."""
    catalog(manifests, "kling", clips_folder(count=2, frames=4), cluster=cluster)
    manifests.add(CLIPS, manifests.read(CLIPS)[:1], name="late", generator="kling")
    not_finished = pytest.raises(UsageError, match="not finished: run `hfv catalog --generator kling` again")
    with not_finished:
        score(manifests, "kling", LITE, cluster=cluster)
    with not_finished:
        label(manifests)


def test_rows_that_workers_wrote_to_another_folder_are_reported_as_missing(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_process = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2, frames=4), cluster=in_process)
    write = shard._write_rows
    monkeypatch.setattr(
        shard,
        "_write_rows",
        lambda rows, scores, run: write(rows, scores, dataclasses.replace(run, manifests=Manifests(tmp_path / "b"))),
    )
    with pytest.raises(UsageError, match=r"2 of 2 clips have no spatial row: .* same place"):
        score(manifests, "kling", LITE, cluster=in_process)


def test_a_worker_of_another_version_is_refused(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_process = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2, frames=4), cluster=in_process)
    monkeypatch.setattr("pipelines.score.plan.packages", lambda: packages() | {"av": "1.0"})
    monkeypatch.setattr(models, "_local", threading.local())
    with pytest.raises(UsageError, match=rf"for it has av {packages()['av']}: set it up in the same way"):
        score(manifests, "kling", LITE, cluster=in_process)
    assert rows(manifests, SCORES) == []


def test_a_worker_with_other_weights_is_refused(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_process = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2, frames=4), cluster=in_process)
    resolved = registry.resolve(LITE)
    answers = iter([resolved, dataclasses.replace(resolved, revisions={"flow": "other"})])
    monkeypatch.setattr(registry, "resolve", lambda *_, **__: next(answers))
    monkeypatch.setattr(models, "_local", threading.local())
    with pytest.raises(UsageError, match="for it has other weights"):
        score(manifests, "kling", LITE, cluster=in_process)
    assert rows(manifests, SCORES) == []
