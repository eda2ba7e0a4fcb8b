"""Manifests: readable by others as they are, never half written, whole again after a kill at any step."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import put
from hfv_builder.storage.replacement import JOURNAL
from hfv_builder.storage.schema import LABELS, SCORES
from tests.killed import Killed, killed_after


def scores(*clips: str, **columns: Any) -> pa.Table:
    rows = [dict.fromkeys(SCORES.schema.names) | {"clip_id": clip, "score": 1.0} | columns for clip in clips]
    return pa.Table.from_pylist(rows, schema=SCORES.schema)


def ids(manifests: Manifests, **partition: str) -> list[str]:
    found: list[str] = manifests.read(SCORES, ["clip_id"], **partition)["clip_id"].to_pylist()
    return found


WHERE = {"profile": "lite", "metric": "motion", "generator": "kling"}


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    return Manifests(tmp_path / "manifests")


def test_what_is_added_is_read_with_its_partition(manifests: Manifests) -> None:
    manifests.add(SCORES, scores("a", components=[("speed", 2.5)], trace=[1.0, None]), name="1", **WHERE)
    manifests.add(SCORES, scores("b"), name="2", profile="lite", metric="spatial", generator="pika")
    table = manifests.read(SCORES)
    assert table.schema.equals(SCORES.schema)
    rows = {row["clip_id"]: row for row in table.to_pylist()}
    assert (rows["a"]["metric"], rows["a"]["generator"]) == ("motion", "kling")
    assert rows["a"]["components"] == [("speed", 2.5)]
    assert rows["a"]["trace"] == [1.0, None]
    assert ids(manifests, generator="pika") == ["b"]
    assert manifests.partitions(SCORES) == [WHERE, {"profile": "lite", "metric": "spatial", "generator": "pika"}]


def test_others_read_it_as_it_is(manifests: Manifests) -> None:
    manifests.replace(SCORES, [scores("a"), scores("b")], **WHERE)
    frame = pd.read_parquet(manifests.local_root / "scores")
    assert sorted(frame["clip_id"]) == ["a", "b"]
    assert set(frame["generator"]) == {"kling"}


def test_nothing_there_is_an_empty_table(manifests: Manifests) -> None:
    assert manifests.read(SCORES).num_rows == 0
    assert manifests.read(SCORES, ["clip_id"]).schema.names == ["clip_id"]
    assert manifests.partitions(SCORES) == []


def test_equal_rows_give_equal_files(manifests: Manifests, tmp_path: Path) -> None:
    other = Manifests(tmp_path / "other")
    for each in (manifests, other):
        each.add(SCORES, scores("x"), name="old", **WHERE)
        each.replace(SCORES, [scores("a", "b")], **WHERE)
        each.replace(SCORES, [scores("a", "b")], **WHERE)
    (one,), (two,) = (each.parts(SCORES, **WHERE) for each in (manifests, other))
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("survived", range(20))
def test_a_replacement_killed_at_any_step_leaves_old_or_new(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    manifests.add(SCORES, scores("old1"), name="1", **WHERE)
    manifests.add(SCORES, scores("old2"), name="2", **WHERE)
    with killed_after(survived):
        manifests.replace(SCORES, [scores("new1"), scores("new2")], **WHERE)
    after_the_kill = sorted(ids(manifests))
    assert after_the_kill in (["old1", "old2"], ["new1", "new2"])
    manifests.replace(SCORES, [scores("new1"), scores("new2")], **WHERE)
    assert sorted(ids(manifests)) == ["new1", "new2"]
    assert [p.name for p in manifests.folder(SCORES, **WHERE).iterdir() if p.name.startswith(".")] == []


def test_what_is_added_again_after_a_kill_is_not_taken_away(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the same name as one that the replacement was about to delete."""

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    manifests.add(SCORES, scores("old"), name="1", **WHERE)
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "unlink", killed)
        manifests.replace(SCORES, [scores("new")], **WHERE)
    manifests.recover(SCORES, **WHERE)
    manifests.add(SCORES, scores("again"), name="1", **WHERE)
    assert sorted(ids(manifests)) == ["again", "new"]


def test_a_failing_source_of_rows_leaves_the_old_ones(manifests: Manifests) -> None:
    manifests.add(SCORES, scores("old"), name="1", **WHERE)

    def batches() -> Iterator[pa.Table]:
        yield scores("new")
        raise RuntimeError("out of rows")

    with pytest.raises(RuntimeError):
        manifests.replace(SCORES, batches(), **WHERE)
    assert ids(manifests) == ["old"]


def test_types_are_cast_never_inferred(manifests: Manifests) -> None:
    rows = pa.table({name: pa.nulls(1) for name in LABELS.schema.names}).set_column(
        LABELS.schema.get_field_index("auto_label"), "auto_label", pa.array([2], pa.int64())
    )
    manifests.replace(LABELS, [rows], generator="kling")
    assert manifests.read(LABELS).schema.equals(LABELS.schema)
    wrong = rows.set_column(LABELS.schema.get_field_index("spatial"), "spatial", pa.array(["high"]))
    with pytest.raises(pa.ArrowInvalid):
        manifests.replace(LABELS, [wrong], generator="kling")


@pytest.mark.parametrize("kept", [slice(0), slice(200), slice(-100)])
def test_a_damaged_part_is_named(manifests: Manifests, kept: slice) -> None:
    path = manifests.add(SCORES, scores("a"), name="1", **WHERE)
    whole = path.read_bytes()
    ending = b"\xff" * 92 + whole[-8:] if kept.stop < 0 else b""
    path.write_bytes(whole[kept] + ending)
    with pytest.raises(UsageError, match=f"{path.name}.*delete it and run its stage again"):
        manifests.read(SCORES)


def test_a_part_that_disks_cannot_give_is_not_to_be_deleted(manifests: Manifests) -> None:
    path = manifests.folder(SCORES, **WHERE) / "part-1.parquet"
    path.parent.mkdir(parents=True)
    path.symlink_to(path.name)  # the system refuses to open it
    with pytest.raises(UsageError, match=f"{path.name}.*nothing is lost: run the same command again"):
        manifests.read(SCORES)


def test_a_part_of_an_older_schema_is_named(manifests: Manifests) -> None:
    path = manifests.add(SCORES, scores("a"), name="1", **WHERE)
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["trace"]), path)
    with pytest.raises(UsageError, match=f"{path.name} has no column trace"):
        manifests.read(SCORES)


def test_metadata_of_the_writer_stays_with_the_rows(manifests: Manifests) -> None:
    manifests.replace(SCORES, [scores("a").replace_schema_metadata({b"stamp": b"7"})], **WHERE)
    (part,) = manifests.parts(SCORES, **WHERE)
    rows = manifests.read_part(SCORES, part)
    assert rows.num_rows == 1
    assert rows.schema.metadata[b"stamp"] == b"7"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*--manifests DIR"):
        Manifests(tmp_path / "file").add(SCORES, scores("a"), name="1", **WHERE)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        manifests.add(SCORES, scores("a"), name="1", **WHERE)
    assert list(manifests.folder(SCORES, **WHERE).iterdir()) == []


def test_one_command_at_a_time(manifests: Manifests) -> None:
    with manifests.lock("score-kling"):
        with manifests.lock("score-pika"):
            pass
        with pytest.raises(UsageError, match="another hfv is at work on score-kling"), manifests.lock("score-kling"):
            pass
    with manifests.lock("score-kling"):
        pass


@pytest.mark.parametrize(
    ("error", "sentence"), [(errno.EWOULDBLOCK, "another hfv is at work"), (errno.ENOLCK, "has no locks .*--manifests")]
)
def test_a_file_system_without_locks_is_not_another_hfv(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch, error: int, sentence: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UsageError, match=sentence), manifests.lock("score-kling"):
        pass


def test_small_files_are_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    put(path, json.dumps({"a": 1}))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        put(path, "half")
    assert json.loads(path.read_text()) == {"a": 1}


def test_whoever_lost_the_lock_in_the_middle_of_a_replacement_stops(manifests: Manifests) -> None:
    manifests.add(SCORES, scores("old"), name="1", **WHERE)
    other = Manifests(manifests.root)

    def rows_while_another_takes_over() -> Iterator[pa.Table]:
        yield scores("ours")
        other.replace(SCORES, [scores("theirs")], **WHERE)
        yield scores("more of ours")

    with pytest.raises(UsageError, match="another hfv has taken over"):
        manifests.replace(SCORES, rows_while_another_takes_over(), **WHERE)
    assert ids(manifests) == ["theirs"]


def test_an_interrupt_once_the_journal_is_whole_is_an_interrupt(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests.add(SCORES, scores("old"), name="1", **WHERE)

    def interrupted(path: Any, content: Any) -> None:
        put(path, content)
        if path.name == JOURNAL and '"whole": true' in content:
            raise KeyboardInterrupt

    monkeypatch.setattr("hfv_builder.storage.replacement.put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        manifests.replace(SCORES, [scores("new")], **WHERE)
    assert ids(manifests) == ["new"]


def test_a_stall_while_the_journal_is_written_loses_nothing(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another believes us dead and takes our replacement back, just before we say that it is whole."""
    manifests.add(SCORES, scores("old"), name="1", **WHERE)
    other = Manifests(manifests.root)

    def stalling(path: Any, content: Any) -> None:
        if path.name == JOURNAL and '"whole": true' in content:
            other.recover(SCORES, **WHERE)
        put(path, content)

    monkeypatch.setattr("hfv_builder.storage.replacement.put", stalling)
    with pytest.raises(UsageError, match="another hfv has taken over"):
        manifests.replace(SCORES, [scores("new")], **WHERE)
    assert ids(manifests) == ["old"]
