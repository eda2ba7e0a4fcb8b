"""Answers of reviews that the split uses, and answers that it ignores."""

from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.labelling.reviews import OLDER
from hfv_builder.records import METRICS, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, REVIEWS, SPLITS
from pipelines.label.stage import label
from pipelines.split.stage import split
from tests.pipelines.test_label_and_split import as_dicts, decision, fill, write_scores


def test_invalid_decisions_are_ignored(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(10 - i, i % 3, i % 4) for i in range(10)])
    footage = fill(manifests, "k400", [(1.0, 2.0, 3.0)] * 5, real=True)
    for metric in METRICS:  # one clip has no scores, as if it could not be decoded
        rows = {clip: float(number) for number, clip in enumerate(ids)} | {ids[2]: None}
        write_scores(manifests, "kling", metric.value, rows)
    label(manifests)
    clips = manifests.read(CLIPS, generator="kling").to_pylist()
    clips[3] |= {"status": "failed", "error": "it is gone"}
    manifests.replace(CLIPS, [pa.Table.from_pylist(clips, schema=CLIPS.schema)], generator="kling")
    decisions = [
        decision(ids[0], "anna", "relabel", 3, 1),  # "real" on a generated clip
        decision(ids[2], "anna", "relabel", 0, 2),  # a label for what has no scores
        decision(ids[3], "anna", "relabel", 0, 3),  # a label for what cannot be read
        decision(footage[0], "anna", "relabel", 0, 4),  # an anomaly in footage
        decision(footage[1], "anna", "reject", None, 5),
    ]
    manifests.replace(REVIEWS, [pa.Table.from_pylist(decisions, schema=REVIEWS.schema)])
    outcome = split(manifests, labels="final")
    splits = {row["clip_id"]: row for row in as_dicts(manifests.read(SPLITS))}
    for clip in (ids[0], ids[2], ids[3], footage[1]):
        assert {splits[clip][name] for name in ("label", "label_source", "split", "class_rank", "r_hat")} == {None}
    assert (splits[footage[0]]["label"], splits[footage[0]]["label_source"]) == (3, "auto")
    assert {row["label"] for row in splits.values() if row["generator"] == "kling"} <= {None, 0, 1, 2}
    assert not any(row["class_rank"] is None for row in splits.values() if row["split"] and row["label"] != 3)
    assert outcome.summary["reviews"] | {"invalid": 3, "failed": 2, "majority": 2} == outcome.summary["reviews"]
    assert "2 (1 no anomaly, 1 other)" in outcome.text
    assert "3 answers do not count: the clip cannot have them" in outcome.text
    split(manifests)
    automatic = {row["clip_id"]: row for row in as_dicts(manifests.read(SPLITS))}
    assert automatic[ids[3]]["split"] is automatic[ids[2]]["split"] is None
    assert automatic[ids[0]]["split"] is not None


def test_votes_count_from_the_overlap_on(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(10 - i, i % 3, i % 4) for i in range(10)])
    label(manifests)
    auto_label_of = {row["clip_id"]: row["auto_label"] for row in as_dicts(manifests.read(LABELS))}
    other_label_of = {clip: (auto_label_of[clip] + 1) % 3 for clip in ids}
    decisions = [
        decision(ids[0], "anna", "reject", None, 1),
        decision(ids[1], "anna", "relabel", other_label_of[ids[1]], 2) | {"final": False},
        decision(ids[2], "anna", "relabel", other_label_of[ids[2]], 3),
        decision(ids[2], "ben", "relabel", other_label_of[ids[2]], 4),
        decision(ids[3], "anna", "relabel", other_label_of[ids[3]], 5),
        decision(ids[3], "ben", "unsure", None, 6),
    ]
    rows = pa.Table.from_pylist(decisions, schema=REVIEWS.schema)
    manifests.replace(REVIEWS, [rows.replace_schema_metadata({"overlap": "2"})])

    def changed(**options: Any) -> set[str]:
        split(manifests, labels="final", **options)
        return {
            row["clip_id"] for row in as_dicts(manifests.read(SPLITS)) if row["label"] != auto_label_of[row["clip_id"]]
        }

    assert changed() == {ids[2]}
    assert changed(allow_partial=True) == changed(overlap=1) == {ids[0], ids[2]}
    assert changed(overlap=3) == set()
    text = split(manifests, labels="final").text
    assert "1 with too few votes: the automatic label stays (--allow-partial counts them)" in text
    assert "1 disputed: the automatic label stays until an adjudicator settles them" in text
    text = split(manifests, labels="final", allow_partial=True).text
    assert "1 with fewer than 2 votes, which count all the same (--allow-partial)" in text
    with pytest.raises(UsageError, match="give --labels final too"):
        split(manifests, allow_partial=True)


def test_labels_older_than_the_catalogue_are_refused(manifests: Manifests) -> None:
    fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4, real=True)
    label(manifests)
    fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4)
    with pytest.raises(UsageError, match=r"4 labels of kling are older.*hfv label --generator kling"):
        split(manifests)


def test_clips_that_were_catalogued_after_their_generator_was_labelled_are_not_left_out(manifests: Manifests) -> None:
    scores: list[tuple[float | None, ...]] = [(float(number), 2.0, 3.0) for number in range(6)]
    fill(manifests, "kling", scores[:4])
    label(manifests)
    assert split(manifests).summary["warnings"] == []
    fill(manifests, "kling", scores)
    with pytest.raises(UsageError, match="2 of 6 clips of kling have no label yet: run `hfv label"):
        split(manifests)
    label(manifests)
    ids = fill(manifests, "kling", scores[:4])
    (warning,) = split(manifests).summary["warnings"]
    assert "labelled with 2 more clips" in warning
    write_scores(manifests, "kling", "spatial", dict.fromkeys(ids, 1.0), fingerprint="other")
    (warning,) = split(manifests).summary["warnings"]
    assert "the labels of kling are older than its scores: run `hfv label --generator kling`" in warning


def test_splits_name_their_protocol_and_the_labels_they_come_from(manifests: Manifests) -> None:
    fill(manifests, "kling", [(float(number), 2.0, 3.0) for number in range(4)])
    label(manifests)
    split(manifests)
    before = manifests.read(SPLITS).to_pandas()
    assert set(before["protocol"]) == {"pooled"}
    assert set(before["fingerprint"]) == set(manifests.read(LABELS)["fingerprint"].to_pylist())


def test_reviews_of_an_older_version_count_as_before(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(10 - i, i % 3, i % 4) for i in range(10)])
    label(manifests)
    auto_label_of = {row["clip_id"]: row["auto_label"] for row in as_dicts(manifests.read(LABELS))}
    other_label_of = {clip: (auto_label_of[clip] + 1) % 3 for clip in ids}
    answers: list[tuple[str, str, str, int | None, dict[str, Any]]] = [
        (ids[0], "anna", "relabel", other_label_of[ids[0]], {}),
        (ids[1], "anna", "relabel", other_label_of[ids[1]], {"blind": True}),  # never kept
        (ids[2], "anna", "relabel", other_label_of[ids[2]], {"undone_by": "u"}),
        (ids[3], "anna", "confirm", auto_label_of[ids[3]], {}),
        (ids[3], "adjudicator:zoe", "relabel", other_label_of[ids[3]], {}),
        (ids[4], "anna", "relabel", 3, {}),
        (ids[5], "anna", "reject", None, {"reason": "watermark: left"}),
    ]
    rows = []
    for number, (clip, reviewer, choice, answer, changes) in enumerate(answers):
        row = decision(clip, reviewer, choice, answer, number) | {"blind": False, "undone_by": None} | changes
        rows.append({name: row[name] for name in OLDER.schema.names})
    manifests.replace(OLDER, [pa.Table.from_pylist(rows, schema=OLDER.schema)])
    before = {path: path.read_bytes() for path in (manifests.local_root / "reviews").iterdir()}
    outcome = split(manifests, labels="final")
    labels = {row["clip_id"]: row["label"] for row in as_dicts(manifests.read(SPLITS))}
    changed = {clip: labels[clip] for clip in ids if labels[clip] != auto_label_of[clip]}
    assert changed == {ids[0]: other_label_of[ids[0]], ids[3]: other_label_of[ids[3]], ids[4]: None, ids[5]: None}
    assert "2 (1 no anomaly, 1 watermark)" in outcome.text
    assert before == {path: path.read_bytes() for path in (manifests.local_root / "reviews").iterdir()}
