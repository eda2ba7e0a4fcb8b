"""Clips that no model could see, which are tried again, and runs that would give wrong rows, which are refused."""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.backends import registry
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


def test_a_clip_whose_file_was_missing_is_scored_when_it_is_back(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster
) -> None:
    folder = clips_folder(count=2)
    catalog(manifests, "kling", folder, cluster=cluster)
    away = folder / "000.mp4"
    away.rename(folder.parent / "away.mp4")
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert [each["reason"] for each in outcome.summary["failures"]] == ["not scored: No such file or directory"]
    (folder.parent / "away.mp4").rename(away)
    again = score(manifests, "kling", LITE, cluster=cluster)
    assert (again.summary["scored_now"], again.summary["failed"], again.exit_code) == (1, 0, 0)
    assert len(rows(manifests, SCORES)) == 6


def test_other_content_is_not_scored_under_the_id_of_what_was_there(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=2)
    undisturbed = Manifests(tmp_path / "undisturbed")
    for each in (manifests, undisturbed):
        catalog(each, "kling", folder, cluster=cluster)
    score(undisturbed, "kling", LITE, cluster=cluster)
    before = (folder / "000.mp4").read_bytes()
    write_clip(folder / "000.mp4", moving_square(9, seed=99))
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert [each["reason"].split(";")[0] for each in outcome.summary["failures"]] == [
        "not scored: it has changed since it was catalogued"
    ]
    (folder / "000.mp4").write_bytes(before)
    assert score(manifests, "kling", LITE, cluster=cluster).exit_code == 0
    assert rows(manifests, SCORES) == rows(undisturbed, SCORES)


def test_a_clip_that_the_catalogue_could_not_read_is_scored_once_it_can(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=1)
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
    """Its rows do not say yet which clips are real, nor which are of a file that is no more."""
    catalog(manifests, "kling", clips_folder(count=2), cluster=cluster)
    manifests.add(CLIPS, manifests.read(CLIPS)[:1], name="late", generator="kling")
    not_finished = pytest.raises(UsageError, match="not finished: run `hfv catalog --generator kling` again")
    with not_finished:
        score(manifests, "kling", LITE, cluster=cluster)
    with not_finished:
        label(manifests)


def test_rows_that_workers_wrote_elsewhere_are_missed(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2), cluster=here)
    write = shard._write_rows
    monkeypatch.setattr(
        shard,
        "_write_rows",
        lambda rows, found, run: write(rows, found, dataclasses.replace(run, manifests=Manifests(tmp_path / "b"))),
    )
    with pytest.raises(UsageError, match=r"2 clips have no spatial row .* same place"):
        score(manifests, "kling", LITE, cluster=here)


def test_a_worker_of_another_version_is_refused(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2), cluster=here)
    monkeypatch.setattr("pipelines.score.plan.packages", lambda: packages() | {"av": "1.0"})
    monkeypatch.setattr(models, "_local", threading.local())
    with pytest.raises(UsageError, match=rf"for it has av {packages()['av']}: set it up in the same way"):
        score(manifests, "kling", LITE, cluster=here)
    assert rows(manifests, SCORES) == []


def test_a_worker_with_other_weights_is_refused(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2), cluster=here)
    true = registry.resolve(LITE)
    answers = iter([true, dataclasses.replace(true, revisions={"flow": "other"})])
    monkeypatch.setattr(registry, "resolve", lambda *_, **__: next(answers))
    monkeypatch.setattr(models, "_local", threading.local())
    with pytest.raises(UsageError, match="for it has other weights"):
        score(manifests, "kling", LITE, cluster=here)
    assert rows(manifests, SCORES) == []
