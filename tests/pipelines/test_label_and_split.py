"""Label and split from manifests to manifests, and refusals of incomplete input."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from hfv_builder.records import METRICS, Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, REVIEWS, SCORES, SPLITS
from pipelines.label.stage import label
from pipelines.split.stage import split
from pipelines.status import status
from tests.oracle import label_rows, split_rows


def fill(
    manifests: Manifests, generator: str, scores: list[tuple[float | None, ...]], *, real: bool = False
) -> list[str]:
    """Write clips and scores as the stages before would, and return the clip ids."""
    ids = [f"{generator}-{number:03d}" for number in range(len(scores))]
    clips = [
        dict.fromkeys(CLIPS.schema.names)
        | {"clip_id": clip, "generator": generator, "is_real": real, "path": f"/{clip}.mp4", "status": "ok"}
        for clip in ids
    ]
    manifests.replace(CLIPS, [pa.Table.from_pylist(clips, schema=CLIPS.schema)], generator=generator)
    for column, metric in enumerate(METRICS):
        write_scores(manifests, generator, metric.value, {c: row[column] for c, row in zip(ids, scores, strict=True)})
    return ids


def write_scores(
    manifests: Manifests, generator: str, metric: str, scores: dict[str, float | None], fingerprint: str = "f"
) -> None:
    rows = [
        dict.fromkeys(SCORES.schema.names)
        | {"clip_id": clip, "generator": generator, "metric": metric, "score": value, "profile": "lite"}
        | {"fingerprint": fingerprint, "status": (Status.OK if value is not None else Status.FAILED).value}
        for clip, value in scores.items()
    ]
    table = pa.Table.from_pylist(rows, schema=SCORES.schema)
    manifests.replace(SCORES, [table], profile="lite", metric=metric, generator=generator)


def as_dicts(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: str(row["clip_id"]))


def test_labels_and_splits_equal_the_definitions(manifests: Manifests) -> None:
    rows: dict[str, list[tuple[float | None, ...]]] = {
        "kling": [(i % 7, (i * 5) % 11, (i * 3) % 13) for i in range(30)],
        "pika": [(0.1, 0.2, 0.3), (None, 0.5, 0.6), (0.3, 0.1, 0.2)],
    }
    expected: list[dict[str, Any]] = []
    for generator, scores in rows.items():
        ids = fill(manifests, generator, scores)
        expected += [
            {"clip_id": clip, "generator": generator, **dict(zip([m.value for m in METRICS], row, strict=True))}
            for clip, row in zip(ids, scores, strict=True)
        ]
    label(manifests)
    split(manifests)

    oracle = sorted(label_rows(expected), key=lambda row: row["clip_id"])
    actual = as_dicts(manifests.read(LABELS))
    assert [{key: row[key] for key in oracle[0]} for row in actual] == oracle
    assert {row["fingerprint"] for row in actual} == {actual[0]["fingerprint"]}

    oracle = split_rows([row | {"label": row["auto_label"]} for row in oracle])
    actual = as_dicts(manifests.read(SPLITS))
    for key in ("label", "class_rank", "class_size", "r_hat", "split"):
        assert [row[key] for row in actual] == [row[key] for row in oracle]
    assert [row["label_source"] for row in actual] == [None if row["label"] is None else "auto" for row in oracle]


def test_real_clips_need_no_scores(manifests: Manifests) -> None:
    fill(manifests, "k400", [(1.0, 2.0, 3.0)] * 10, real=True)
    for metric in METRICS:
        manifests.replace(SCORES, [], profile="lite", metric=metric.value, generator="k400")
    outcome = label(manifests)
    assert outcome.summary["generators"][0]["real"] == 10
    split(manifests)
    frame = manifests.read(SPLITS).to_pandas()
    assert set(frame["label"]) == {3}
    assert (frame["split"] == "val").sum() == 2
    assert set(frame["r_hat"]) == {0.0}


def test_footage_with_scores_of_another_profile_is_named(manifests: Manifests) -> None:
    fill(manifests, "k400", [(1.0, 2.0, 3.0)], real=True)
    fill(manifests, "kling", [(1.0, 2.0, 3.0)])
    for metric in METRICS:
        rows = manifests.read(SCORES, profile="lite", metric=metric.value, generator="kling")
        manifests.replace(SCORES, [rows], profile="mine", metric=metric.value, generator="kling")
    (warning,) = label(manifests, profile="mine").summary["warnings"]
    assert warning.endswith("run `hfv score --generator k400 --profile mine.toml`")


def decision(clip: str, reviewer: str, choice: str, label: int | None, number: int) -> dict[str, Any]:
    time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    row = dict.fromkeys(REVIEWS.schema.names) | {"decision_id": f"d{number}", "clip_id": clip, "reviewer": reviewer}
    row |= {"decision": choice, "label": label, "blind": True, "final": True}
    return row | {"seconds": 5.0, "created_at": time}


def test_final_labels_come_from_reviews(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(10 - i, i % 3, i % 4) for i in range(10)])
    label(manifests)
    with pytest.raises(UsageError, match="no reviews yet: run `hfv review`"):
        split(manifests, labels="final")
    rows = [decision(ids[0], "anna", "relabel", 2, 1), decision(ids[1], "anna", "reject", None, 2)]
    manifests.replace(REVIEWS, [pa.Table.from_pylist(rows, schema=REVIEWS.schema)])
    split(manifests, labels="final")
    splits = {row["clip_id"]: row for row in as_dicts(manifests.read(SPLITS))}
    assert (splits[ids[0]]["label"], splits[ids[0]]["label_source"]) == (2, "review")
    assert splits[ids[1]]["label"] is splits[ids[1]]["split"] is splits[ids[1]]["label_source"] is None
    auto_label_of = {row["clip_id"]: row["auto_label"] for row in as_dicts(manifests.read(LABELS))}
    assert all((splits[c]["label"], splits[c]["label_source"]) == (auto_label_of[c], "auto") for c in ids[2:])
    assert splits[ids[0]]["class_size"] == 1 + sum(auto_label_of[c] == 2 for c in ids[2:])


def test_running_again_changes_no_file(manifests: Manifests) -> None:
    fill(manifests, "kling", [(1.0, 2.0, 3.0), (3.0, 2.0, 1.0)])
    label(manifests)
    split(manifests)
    files = {path: path.read_bytes() for path in manifests.root.rglob("part-*")}
    label(manifests)
    split(manifests)
    assert files == {path: path.read_bytes() for path in manifests.root.rglob("part-*")}


def test_stages_without_their_input_are_refused(manifests: Manifests) -> None:
    for stage in (label, split, status):
        with pytest.raises(UsageError, match="has no clips yet: run `hfv catalog"):
            stage(manifests)
    ids = fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4)
    with pytest.raises(UsageError, match="kling has no labels yet: run `hfv label"):
        split(manifests)
    write_scores(manifests, "kling", "motion", {})
    with pytest.raises(UsageError, match="kling has no motion scores yet: run `hfv score"):
        label(manifests)
    write_scores(manifests, "kling", "motion", dict.fromkeys(ids[:3], 1.0))
    with pytest.raises(UsageError, match="1 of 4 clips of kling have no motion score"):
        label(manifests)
    write_scores(manifests, "kling", "motion", dict.fromkeys(ids))
    with pytest.raises(UsageError, match="no clip of kling could be scored for motion"):
        label(manifests)
    with pytest.raises(UsageError, match="'klnig' has no clips"):
        label(manifests, ["klnig"])
    fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4)
    label(manifests)
    rows = manifests.read(LABELS).to_pylist()
    for value in (-1, 7):
        edited = pa.Table.from_pylist([rows[0] | {"auto_label": value}, *rows[1:]], schema=LABELS.schema)
        manifests.replace(LABELS, [edited], generator="kling")
        with pytest.raises(UsageError, match=f"the labels of kling contain {value}, which is no label"):
            split(manifests)


def test_scores_of_several_fingerprints_are_refused(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4)
    fill(manifests, "pika", [(1.0, 2.0, 3.0)] * 2)
    keys = {"profile": "lite", "metric": "spatial", "generator": "kling"}
    mixed = manifests.read(SCORES, **keys).to_pandas()
    mixed.loc[mixed["clip_id"] == ids[0], "fingerprint"] = "other"
    manifests.replace(SCORES, [pa.Table.from_pandas(mixed, SCORES.schema, preserve_index=False)], **keys)
    trouble = r"spatial scores of kling.*\(f: 3 clips; other: 1 clip\).*`hfv score"
    with pytest.raises(UsageError, match=trouble) as raised:
        label(manifests)
    assert raised.value.args[1:] == ("the others are labelled: pika",)
    assert len(manifests.read(LABELS, generator="pika")) == 2
    assert len(manifests.read(LABELS, generator="kling")) == 0
    with pytest.raises(UsageError, match="kling") as raised:
        split(manifests)
    assert raised.value.args[1:] == ("the others are split: pika",)
    assert [keys["generator"] for keys in manifests.partitions(SPLITS)] == ["pika"]
    with pytest.raises(UsageError) as raised:
        split(manifests, protocol="hfv", group="prompt")
    assert len(raised.value.args) == 1


def test_two_rows_of_a_clip_do_not_replace_a_missing_row(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(float(index), 2.0, 3.0) for index in range(4)])
    keys = {"profile": "lite", "metric": "spatial", "generator": "kling"}
    rows = manifests.read(SCORES, **keys)
    others = rows.filter(pa.array([clip_id != ids[0] for clip_id in rows["clip_id"].to_pylist()]))
    manifests.replace(SCORES, [pa.concat_tables([others, others[:1]])], **keys)
    with pytest.raises(UsageError, match="some clips of kling have two spatial scores"):
        label(manifests)


def test_a_generator_may_be_repeated_but_must_be_valid(manifests: Manifests) -> None:
    fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4)
    fill(manifests, "klang", [(1.0, 2.0, 3.0)] * 4)
    for stage in (label, split):
        stage(manifests, ["kling"] * 8)
        assert [keys["generator"] for keys in manifests.partitions(LABELS)] == ["kling"]
        with pytest.raises(UsageError, match=r"'kl\*' is not a valid name of a generator"):
            stage(manifests, ["kl*"])
    assert len(manifests.read(SPLITS)) == 4


@pytest.mark.parametrize("stage", [label, split])
def test_one_command_of_a_stage_at_a_time(manifests: Manifests, stage: Any) -> None:
    fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4)
    label(manifests)
    with manifests.lock(f"{stage.__name__}-kling"), pytest.raises(UsageError, match="another hfv"):
        stage(manifests)


def test_status_counts_what_is_done_failed_and_left(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 3 + [(1.0, 2.0, None)])
    write_scores(manifests, "kling", "spatial", dict.fromkeys(ids[:2], 1.0))
    summary = status(manifests).summary
    scores = {row["metric"]: (row["done"], row["failed"], row["left"]) for row in summary["scores"]}
    assert scores == {"spatial": (2, 0, 2), "appearance": (4, 0, 0), "motion": (3, 1, 0)}
    assert summary["generators"][0] | {"clips": 4, "labelled": 0, "split": 0} == summary["generators"][0]


def test_status_counts_no_label_of_unreadable_footage(manifests: Manifests) -> None:
    fill(manifests, "film", [(1.0, 2.0, 3.0)] * 3, real=True)
    clips = manifests.read(CLIPS, generator="film").to_pylist()
    clips[0] |= {"status": "failed", "error": "it is gone"}
    manifests.replace(CLIPS, [pa.Table.from_pylist(clips, schema=CLIPS.schema)], generator="film")
    label(manifests)
    (row,) = status(manifests).summary["generators"]
    assert (row["clips"], row["unreadable"], row["labelled"]) == (2, 1, 2)


FOLDERS = ("hunyuanvideo", "cogvideo")


def test_labels_of_real_generators_equal_plain_pandas(real_clips: Path, manifests: Manifests, cluster: Any) -> None:
    """Ranks, labels and splits of real clips equal those computed by short pandas expressions."""
    from hfv_builder.profiles.profile import load_profile
    from pipelines.catalog.stage import catalog
    from pipelines.score.stage import score

    profile = dataclasses.replace(load_profile("lite"), pairs=4, long_side=64, evidence=False)
    for name in FOLDERS:
        catalog(manifests, name, real_clips / name, cluster=cluster)
        assert score(manifests, name, profile, cluster=cluster).summary["failed"] == 0
    label(manifests)
    split(manifests)

    scores = (
        manifests.read(SCORES).to_pandas().pivot_table(index=["generator", "clip_id"], columns="metric", values="score")
    )
    scores = scores[[metric.value for metric in METRICS]]
    ranks = scores.groupby("generator").rank(method="min", ascending=False)
    labels = manifests.read(LABELS).to_pandas().set_index(["generator", "clip_id"]).loc[scores.index]
    assert (labels[[f"rank_{metric}" for metric in METRICS]].to_numpy() == ranks.to_numpy()).all()
    untied = ~labels["tied"].astype(bool)
    assert (labels["auto_label"] == ranks.to_numpy().argmin(axis=1))[untied].all()

    of_label = pd.Series(
        [row.iloc[int(n)] for (_, row), n in zip(scores.iterrows(), labels["auto_label"], strict=True)]
    )
    frame = scores.reset_index().assign(label=labels["auto_label"].to_numpy(), value=of_label)
    frame = frame.sort_values(["value", "clip_id"], ascending=[False, True])
    frame["rank"] = frame.groupby(["generator", "label"]).cumcount() + 1
    size = frame.groupby(["generator", "label"])["value"].transform("size")
    frame["val"] = frame["rank"] <= (0.2 * size + 0.5).astype(int)
    splits = manifests.read(SPLITS).to_pandas().set_index(["generator", "clip_id"])
    matching = splits.loc[list(zip(frame["generator"], frame["clip_id"], strict=True))]
    assert (matching["class_rank"].to_numpy() == frame["rank"].to_numpy()).all()
    assert ((matching["split"] == "val").to_numpy() == frame["val"].to_numpy()).all()
