"""Two commands on the same manifests: one runs in the middle of the other."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, SPLITS, Table
from pipelines.generators import clips_of, lost_clips
from pipelines.label.rankable import rankable_scores
from pipelines.label.stage import label
from pipelines.outcome import Outcome, record
from pipelines.show import show
from pipelines.split import stage
from pipelines.split.stage import split
from review_ui.clips import Clips
from tests.pipelines.test_label_and_split import fill


def begin_catalogue(manifests: Manifests, generator: str, ids: Sequence[str]) -> None:
    """Add rows of clips as workers of a catalogue do, which is not finished."""
    common = dict.fromkeys(CLIPS.schema.names) | {"generator": generator, "width": 8, "status": "ok"}
    rows = [common | {"clip_id": clip, "path": f"/{generator}/{clip}.mp4"} for clip in ids]
    manifests.add(CLIPS, pa.Table.from_pylist(rows, CLIPS.schema), name="added", generator=generator)


def test_a_catalogue_at_work_takes_no_clip_from_others(manifests: Manifests) -> None:
    ids = fill(manifests, "pika", [(1.0, 2.0, 3.0)] * 3)
    begin_catalogue(manifests, "kling", ids[:2])
    assert not lost_clips(manifests)
    assert clips_of(manifests, "pika", [])["clip_id"].to_pylist() == ids
    assert Clips(manifests).generators == ["pika"]
    with pytest.raises(UsageError, match="the catalogue of kling is not finished"):
        clips_of(manifests, "kling", [])


def test_a_clip_that_a_catalogue_removes_while_it_is_shown_is_named(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed_then(own: Manifests, *arguments: Any, **options: Any) -> pa.Table:
        rows = read(own, *arguments, **options)
        monkeypatch.undo()
        manifests.replace(CLIPS, [CLIPS.schema.empty_table()], generator="pika")
        return rows

    (clip,) = fill(manifests, "pika", [(1.0, 2.0, 3.0)])
    read = Manifests.read
    monkeypatch.setattr(Manifests, "read", removed_then)
    with pytest.raises(UsageError, match="pika-000 was moved or deleted while another hfv catalogued it"):
        show(manifests, clip)


def test_two_splits_never_write_some_generators_each(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(own: Manifests, result: Any) -> None:
        for group in ("content", "prompt"):
            with pytest.raises(UsageError, match="another hfv is at work on split-pika"):
                split(manifests, protocol="pooled", group=group)
        write(own, result)

    for generator in ("kling", "pika"):
        fill(manifests, generator, [(1.0, 2.0, 3.0), (2.0, 1.0, 3.0)])
    label(manifests)
    write = stage._write
    monkeypatch.setattr(stage, "_write", meanwhile)
    split(manifests, group="prompt")
    split(manifests, group="content")


def test_stages_of_two_generators_do_not_hinder_each_other(manifests: Manifests) -> None:
    for generator in ("kling", "pika"):
        fill(manifests, generator, [(1.0, 2.0, 3.0), (2.0, 1.0, 3.0)])
    label(manifests)
    split(manifests)
    with manifests.lock("label-pika"), manifests.lock("split-pika"):
        label(manifests, ["kling"])
        split(manifests, ["kling"])


def test_scores_that_are_replaced_while_they_are_labelled_are_all_new(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score_then(*arguments: Any, **options: Any) -> Any:
        scores = rankable_scores(*arguments, **options)
        monkeypatch.undo()
        fill(manifests, "pika", [(6.0, 5.0, 4.0), (4.0, 5.0, 6.0)])
        return scores

    fill(manifests, "pika", [(1.0, 2.0, 3.0), (3.0, 2.0, 1.0)])
    monkeypatch.setattr("pipelines.label.stage.rankable_scores", score_then)
    label(manifests)
    labels = manifests.read(LABELS).to_pandas()
    assert labels[["spatial", "appearance", "motion"]].to_numpy().tolist() == [[6.0, 5.0, 4.0], [4.0, 5.0, 6.0]]


@pytest.mark.parametrize(("stage", "table"), [(label, LABELS), (split, SPLITS)])
def test_footage_that_is_catalogued_meanwhile_counts_once(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch, stage: Callable[[Manifests, list[str]], Any], table: Table
) -> None:
    def catalogued_then(own: Manifests, generator: str, *arguments: Any, **options: Any) -> pa.Table:
        rows = clips_of(own, generator, *arguments, **options)
        monkeypatch.undo()
        footage = rows.slice(0, 1).to_pylist()[0] | {"generator": "k400", "is_real": True, "path": "/footage.mp4"}
        own.replace(CLIPS, [pa.Table.from_pylist([footage], CLIPS.schema)], generator="k400")
        return rows

    ids = fill(manifests, "pika", [(1.0, 2.0, 3.0)] * 3)
    label(manifests)
    for module in ("pipelines.label.stage", "pipelines.split.reviewed"):
        monkeypatch.setattr(f"{module}.clips_of", catalogued_then)
    stage(manifests, ["pika"])
    assert ids[0] not in manifests.read(table, generator="pika")["clip_id"].to_pylist()


def test_two_stages_that_end_in_one_millisecond_have_two_reports(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        ends = iter(datetime(2026, 11, 28, microsecond=end, tzinfo=UTC) for end in (1000, 1001))

        @classmethod
        def now(cls, _: tzinfo | None = None) -> Any:
            return next(cls.ends)

    monkeypatch.setattr("pipelines.outcome.datetime", Clock)
    assert len({record(manifests, "label", Outcome(summary={}, text="")) for _ in range(2)}) == 2


def test_reviewers_see_labels_and_splits_of_one_moment(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    def split_then(own: Manifests, table: Table, *arguments: Any, **options: Any) -> pa.Table:
        rows = read(own, table, *arguments, **options)
        if table is LABELS:
            monkeypatch.undo()
            fill(own, "pika", [(3.0, 2.0, 1.0), (1.0, 2.0, 3.0)])
            label(own)
            split(own)
        return rows

    fill(manifests, "pika", [(1.0, 2.0, 3.0), (3.0, 2.0, 1.0)])
    label(manifests)
    read = Manifests.read_settled
    monkeypatch.setattr(Manifests, "read_settled", split_then)
    clips = Clips(manifests)
    assert clips.splits_in_use
    assert clips.auto_label.tolist() == [0, 2]
