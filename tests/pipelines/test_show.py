"""`hfv show` finds the clip that is meant and shows all that is known about it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.records import Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, FINAL, LABELS, REVIEWS
from pipelines.cli import main
from pipelines.label.stage import label
from pipelines.show import _bars, show
from tests.pipelines.test_label_and_split import decision, fill
from tests.review_ui.sample import make_sample, table_of


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    sample = make_sample(tmp_path_factory.mktemp("show"))
    row = sample.read(LABELS, generator="alpha").to_pylist()[0]
    final = {"clip_id": row["clip_id"], "generator": "alpha", "label": 2, "label_name": "motion", "votes": 3}
    final |= {"disputed": False, "adjudicated": True, "rejected": False}
    sample.replace(FINAL, [table_of(FINAL.schema, [final])])
    image = Path(str(sample.evidence(row["clip_id"], Metric.MOTION, profile="lite", generator="alpha")))
    image.parent.mkdir(parents=True)
    image.write_bytes(b"RIFF")
    return sample


@pytest.fixture(scope="module")
def clip(manifests: Manifests) -> dict[str, Any]:
    clip_id = manifests.read(LABELS, generator="alpha")["clip_id"][0].as_py()
    return next(row for row in manifests.read(CLIPS, generator="alpha").to_pylist() if row["clip_id"] == clip_id)


def test_a_clip_is_found_by_id_prefix_name_and_path(manifests: Manifests, clip: dict[str, Any]) -> None:
    name = Path(clip["path"]).name
    for reference in (clip["clip_id"], clip["clip_id"][:10].upper(), name, clip["path"]):
        assert show(manifests, reference).summary["clip"]["clip_id"] == clip["clip_id"]


def test_a_clip_is_found_by_a_name_that_is_stored_in_another_form(manifests: Manifests, tmp_path: Path) -> None:
    row = manifests.read(CLIPS, generator="alpha").to_pylist()[0]
    copy = Manifests(tmp_path)
    for path, name in (
        ("file:///caf%E9/a%20b.mp4", "a b.mp4"),
        ("file:///caf%E9.mp4", "caf\udce9.mp4"),
        ("/clips/cafe\u0301.mp4", "café.mp4"),
        ("/clips/café.mp4", "cafe\u0301.mp4"),
    ):
        copy.replace(CLIPS, [table_of(CLIPS.schema, [row | {"path": path}])], generator="alpha")
        assert show(copy, name).summary["clip"]["path"] == path


@pytest.mark.parametrize("reference", ["a3", "no-such.mp4", "%", "../clips/a0.mp4", "[0-9"])
def test_other_references_are_refused(manifests: Manifests, reference: str) -> None:
    with pytest.raises(UsageError, match="has the id or file name"):
        show(manifests, f"{reference} ")


def test_an_ambiguous_prefix_lists_its_clips(manifests: Manifests) -> None:
    ids = sorted(manifests.read(CLIPS)["clip_id"].to_pylist())
    counts = Counter(clip_id[0] for clip_id in ids)
    first = next((digit for digit, count in counts.items() if count > 1), "")  # the empty prefix matches all
    shared = [clip_id for clip_id in ids if clip_id.startswith(first)]
    with pytest.raises(UsageError, match=f"{len(shared)} clips are called") as refused:
        show(manifests, first)
    assert sum(clip_id in str(refused.value) for clip_id in shared) == min(10, len(shared))


def test_all_that_is_known_is_shown(
    manifests: Manifests, clip: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", clip["clip_id"], "--manifests", str(manifests.root)]) == 0
    text = capsys.readouterr().out
    for expected in (
        clip["path"],
        clip["prompt"],
        "width 320",
        "of 8",
        "split: ",
        "worst at frame",
        "evidence: ",
        "lite",
    ):
        assert expected in text, expected
    assert "final label: motion, 3 votes, adjudicated" in text
    assert main(["show", clip["clip_id"], "--json", "--manifests", str(manifests.root)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["label"]["rank_motion"] >= 1
    assert len(summary["scores"]["motion"]["trace"]) == clip["num_frames"] - 1
    assert main(["show", "nowhere", "--manifests", str(manifests.root)]) == 2


def test_a_failed_clip_and_a_copy_are_shown_too(manifests: Manifests) -> None:
    assert "failed" in show(manifests, "broken.mp4").text
    rows = manifests.read(CLIPS, generator="alpha").to_pylist()
    copy = rows[0] | {"path": "/elsewhere/copy.mp4", "status": "duplicate"}
    manifests.replace(CLIPS, [table_of(CLIPS.schema, [copy, *rows])], generator="alpha")
    for reference in (copy["clip_id"], "copy.mp4"):
        assert show(manifests, reference).summary["clip"]["clip_id"] == copy["clip_id"]
    assert show(manifests, copy["clip_id"]).summary["clip"]["copies"] == ["/elsewhere/copy.mp4"]


def test_a_final_label_that_no_vote_settles_is_called_automatic(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path)
    one, other = fill(manifests, "kling", [(2.0, 1.0, 1.0), (1.0, 2.0, 1.0)])
    label(manifests)
    votes = [decision(one, "anna", "confirm", 0, 1), decision(one, "ben", "confirm", 0, 2)]
    votes += [decision(other, "anna", "relabel", 0, 3)]
    rows = pa.Table.from_pylist(votes, schema=REVIEWS.schema).replace_schema_metadata({"overlap": "2"})
    manifests.replace(REVIEWS, [rows])
    final = {"generator": "kling", "disputed": False, "adjudicated": False, "rejected": False}
    spatial, appearance = {"clip_id": one, "label_name": "spatial"}, {"clip_id": other, "label_name": "appearance"}
    finals = [final | spatial | {"votes": 2}, final | appearance | {"votes": 1}]
    manifests.replace(FINAL, [table_of(FINAL.schema, finals)])
    assert "final label: spatial, 2 votes" in show(manifests, one).text
    text = show(manifests, other).text
    assert "final label: appearance (automatic: its votes settle nothing yet), 1 vote" in text
    rows = manifests.read(CLIPS, generator="kling").to_pylist()
    copy = next(row for row in rows if row["clip_id"] == one) | {"path": "/elsewhere/copy.mp4", "status": "duplicate"}
    manifests.replace(CLIPS, [table_of(CLIPS.schema, [copy, *rows])], generator="kling")
    assert "final label: spatial, 2 votes" in show(manifests, "copy.mp4").text
    manifests.replace(LABELS, [], generator="kling")  # as before they were labelled
    assert "final label: spatial, 2 votes" in show(manifests, one).text


def test_traces_are_drawn_with_their_largest_value() -> None:
    import numpy as np

    assert _bars(np.array([0.0, 1.0, np.nan, 0.5])) == "▁█ ▄"
    assert len(_bars(np.arange(1000.0))) == 60
    assert _bars(np.zeros(3)) == "▁▁▁"
