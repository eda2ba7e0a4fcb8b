"""What reviewers said of a clip, as the metadata carries it."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from hfv_builder.labelling.decisions import ADJUDICATOR, Decision
from hfv_builder.labelling.reviews import as_table
from hfv_builder.release.dataset import with_places
from hfv_builder.release.facts import with_media
from hfv_builder.release.metadata import SCHEMA, metadata_table, parquet
from hfv_builder.release.reviewed import review_columns, vote_counts
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import REVIEWS, SPLITS
from pipelines.release.gather import gather
from tests.release.conftest import NAME


def said(number: int, clip: str, reviewer: str, label: int | None, **more: object) -> Decision:
    decision = "unsure" if label is None else "relabel"
    facts = {"decision_id": f"d{number}", "clip_id": clip, "reviewer": reviewer, "created_at": number} | more
    return Decision(**({"decision": decision, "label": label} | facts))  # type: ignore[arg-type]


DECISIONS = [
    said(1, "a", "anna", 2, t_start=0.5, t_end=1.5, box=(1, 2, 30, 40)),
    said(2, "a", "ben", 2, t_start=0.7, t_end=1.1),
    said(3, "a", "carl", 0, t_start=9.0, t_end=9.5, box=(9, 9, 9, 9)),
    said(4, "b", "anna", 1),
    said(5, "b", "anna", 0),
    said(6, "b", "judge", 0, role=ADJUDICATOR, box=(5, 6, 7, 8)),
    said(7, "c", "anna", None),
    said(8, "d", "anna", 3),
    said(9, "elsewhere", "anna", 0),
    said(10, "e", "anna", 0),
    Decision(decision_id="u", clip_id="e", reviewer="anna", decision=None, final=False, created_at=11, undoes=("d10",)),
]
LABELS = {"a": 2, "b": 0, "c": 1, "d": 3, "e": 0, "f": 0}


def test_votes_agreement_and_where_the_anomaly_is() -> None:
    rows = review_columns(DECISIONS, LABELS).set_index("clip_id")
    assert rows.index.tolist() == ["a", "b", "c", "d"]
    assert rows["reviewers"].tolist() == [3, 1, 1, 1]
    assert rows["supported"].tolist() == [True, True, False, True]
    assert rows["agreement"].tolist() == [2 / 3, 1.0, 0.0, 1.0]
    assert (rows.loc["a", "t_start"], rows.loc["a", "t_end"]) == (0.6, 1.3)  # medians for the released label
    assert rows.loc["a", "box"] == {"x": 1, "y": 2, "w": 30, "h": 40}
    assert rows.loc["b", "box"] == {"x": 5, "y": 6, "w": 7, "h": 8}
    assert rows.loc[["c", "d"], "t_start"].isna().all()


def test_reviews_without_marks_have_numbers_all_the_same() -> None:
    for decisions in ([said(1, "a", "anna", 2)], [said(1, "b", "judge", 0, role=ADJUDICATOR)], []):
        rows = review_columns(decisions, LABELS)
        assert {rows[name].dtype for name in ("agreement", "t_start", "t_end")} == {np.dtype(np.float64)}


def test_counts_of_answers_leave_unsure_ones_out() -> None:
    assert vote_counts(DECISIONS, LABELS).to_numpy().tolist() == [
        [1, 0, 2, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0],
    ]
    assert vote_counts([], LABELS).shape == (0, 5)


def test_clips_that_are_left_out_count_nowhere(filled: Manifests, tmp_path: Path) -> None:
    manifests = Manifests(Path(shutil.copytree(filled.local_root, tmp_path / "manifests")))
    clips = manifests.read(SPLITS, generator="other").to_pandas()
    pairs = [(clip, label, name) for clip, label in zip(clips["clip_id"], clips["label"], strict=True) for name in "ab"]
    decisions = [said(number, clip, name, label) for number, (clip, label, name) in enumerate(pairs)]
    manifests.replace(REVIEWS, [as_table(decisions, overlap=2)])
    dataset = gather(manifests, NAME, media="uniform", allow_lite=False, settings=None)
    assert dataset.agreement is not None
    assert dataset.agreement.clips == len(clips)
    rest = with_media(dataset, {}, dict.fromkeys(clips["clip_id"][1:], "too short"))
    assert rest.agreement is not None
    assert rest.agreement.clips == 1
    none = with_media(dataset, {}, dict.fromkeys(clips["clip_id"], "too short"))
    assert none.agreement is None
    assert {*none.sources} == {*none.rows["generator"]} == {*dataset.sources} - {"other"}


def test_the_metadata_carries_them() -> None:
    clips = pd.DataFrame({"clip_id": [*LABELS], "generator": "g", "split": "test", "label": [*LABELS.values()]})
    rows = with_places(clips.merge(review_columns(DECISIONS, LABELS), on="clip_id", how="left"))
    rows = rows.assign(**{name: None for name in SCHEMA.names if name not in rows})
    table = metadata_table(rows)
    assert table.schema.equals(SCHEMA)
    by_clip = {row["clip_id"]: row for row in table.to_pylist()}
    assert by_clip["a"]["box"] == {"x": 1, "y": 2, "w": 30, "h": 40}
    assert by_clip["a"]["t_start"] == 0.6
    assert by_clip["f"]["box"] is by_clip["f"]["t_start"] is None
    shuffled = rows.sample(frac=1, random_state=np.random.RandomState(0))
    assert parquet(metadata_table(shuffled)) == parquet(table)
