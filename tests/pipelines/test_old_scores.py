"""Scores in the layout of earlier versions are moved to the present layout, and none is lost."""

import itertools
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Metric
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from pipelines.label.stage import label
from pipelines.score.old_scores import OLD, bring_up_to_date, move_old_scores
from pipelines.status import status
from tests.killed import killed_after
from tests.pipelines.conftest import rows
from tests.pipelines.quick import IDS, Quick, catalogue, value

LITE = load_profile("lite")


def write_old_layout(manifests: Manifests, profiles: dict[str, list[str]]) -> None:
    """Rewrite all scores in the earlier layout: profile in the files, no environment, two parts per metric.

    Args:
        profiles: for every profile the clips whose rows have its name.
    """
    by_clip = {clip_id: name for name, clips in profiles.items() for clip_id in clips}
    root = manifests.local_root / "scores"
    for metric in METRICS:
        records = rows(manifests, SCORES, metric=metric)
        schema = pa.schema(
            [field for field in SCORES.schema if field.name not in ("metric", "generator", "environment")]
        )
        table = pa.Table.from_pylist([row | {"profile": by_clip[row["clip_id"]]} for row in records], schema=schema)
        folder = root / f"metric={metric}" / "generator=kling"
        folder.mkdir(parents=True)
        pq.write_table(table[:2], folder / "part-0123456789abcdef.parquet")
        pq.write_table(table[2:], folder / "part-new-0123456789abcdef.parquet")
    for path in sorted((root / "profile=lite").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (root / "profile=lite").rmdir()
    new = manifests.local_root / "evidence" / "profile=lite"
    (new / "generator=kling").rename(new.parent / "generator=kling")
    new.rmdir()


@pytest.fixture
def quick(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> Quick:
    catalogue(manifests)
    quick = Quick(manifests, monkeypatch)
    quick.run(LITE)
    return quick


def scored_values(manifests: Manifests) -> list[Any]:
    return [
        (row["clip_id"], row["metric"], row["score"], row["components"], row["frames"], row["trace"])
        for row in rows(manifests, SCORES)
    ]


def test_label_moves_old_scores(quick: Quick) -> None:
    manifests, before = quick.manifests, scored_values(quick.manifests)
    write_old_layout(manifests, {"lite": IDS})
    outcome = status(manifests)
    assert outcome.summary["outdated"] == ["kling"]
    assert "`hfv label` makes them readable here" in outcome.text
    assert label(manifests).summary["generators"][0]["profile"] == "lite"
    assert scored_values(manifests) == before
    assert {(row["profile"], row["environment"]) for row in rows(manifests, SCORES)} == {("lite", None)}
    assert manifests.partitions(OLD) == []
    assert status(manifests).summary["outdated"] == []
    assert not list(manifests.local_root.glob("scores/metric=*"))
    for clip_id, metric in itertools.product(IDS, METRICS):
        assert manifests.evidence(clip_id, metric, profile="lite", generator="kling").is_file()


def test_score_moves_old_scores_and_scores_none_again(quick: Quick) -> None:
    manifests, before = quick.manifests, scored_values(quick.manifests)
    write_old_layout(manifests, {"lite": IDS})
    outcome = quick.run(LITE)
    assert outcome is not None
    assert outcome.summary["scored_now"] == 0
    assert scored_values(manifests) == before
    assert manifests.is_settled(SCORES, profile="lite", metric="motion", generator="kling")


def test_rows_of_several_profiles_are_divided(quick: Quick) -> None:
    """Profiles whose name cannot be a folder get another name."""
    manifests, before = quick.manifests, scored_values(quick.manifests)
    write_old_layout(manifests, {"mine": IDS[:1], "My Profile": IDS[1:3], "16": IDS[3:]})
    bring_up_to_date(manifests, ["kling", "pika"])
    assert scored_values(manifests) == before
    profile_of = {row["clip_id"]: row["profile"] for row in rows(manifests, SCORES, metric="motion")}
    assert [profile_of[clip_id].rsplit("-", 1)[0] for clip_id in IDS] == [
        "mine",
        "p-my-profile",
        "p-my-profile",
        "p-16",
    ]
    for clip_id in IDS:
        assert manifests.evidence(clip_id, Metric.MOTION, profile=profile_of[clip_id], generator="kling").is_file()


@pytest.mark.parametrize("survived", [0, 1, 2, 3, 5, 8, 13, 21, 30])
def test_a_move_killed_at_any_step_loses_no_row(quick: Quick, survived: int) -> None:
    manifests, before = quick.manifests, scored_values(quick.manifests)
    write_old_layout(manifests, {"lite": IDS})
    with killed_after(survived):
        move_old_scores(manifests, "kling")
    old, new = rows(manifests, OLD), rows(manifests, SCORES)
    assert {(row["clip_id"], row["metric"]) for row in [*old, *new]} == {(i, m) for i, m, *_ in before}
    quick.run(LITE)
    assert scored_values(manifests) == before
    assert [row["score"] for row in rows(manifests, SCORES, metric="motion")] == [value(LITE, i) for i in sorted(IDS)]
    assert manifests.partitions(OLD) == []
