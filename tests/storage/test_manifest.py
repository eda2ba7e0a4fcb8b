"""Manifests are readable by other programs, written whole or not at all, and recover after a kill at any step."""

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
from hfv_builder.storage.lock import lock
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import put
from hfv_builder.storage.replacement import JOURNAL
from hfv_builder.storage.schema import LABELS, SCORES
from tests.killed import Killed, killed_after


def scores(*clips: str, **columns: Any) -> pa.Table:
    rows = [dict.fromkeys(SCORES.schema.names) | {"clip_id": clip, "score": 1.0} | columns for clip in clips]
    return pa.Table.from_pylist(rows, schema=SCORES.schema)


def ids(manifests: Manifests, **partition: str) -> list[str]:
    clip_ids: list[str] = manifests.read(SCORES, ["clip_id"], **partition)["clip_id"].to_pylist()
    return clip_ids


PARTITION = {"profile": "lite", "metric": "motion", "generator": "kling"}


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    return Manifests(tmp_path / "manifests")


def test_what_is_added_is_read_with_its_partition(manifests: Manifests) -> None:
    manifests.add(SCORES, scores("a", components=[("speed", 2.5)], trace=[1.0, None]), name="1", **PARTITION)
    manifests.add(SCORES, scores("b"), name="2", profile="lite", metric="spatial", generator="pika")
    table = manifests.read(SCORES)
    assert table.schema.equals(SCORES.schema)
    rows = {row["clip_id"]: row for row in table.to_pylist()}
    assert (rows["a"]["metric"], rows["a"]["generator"]) == ("motion", "kling")
    assert rows["a"]["components"] == [("speed", 2.5)]
    assert rows["a"]["trace"] == [1.0, None]
    assert ids(manifests, generator="pika") == ["b"]
    assert manifests.partitions(SCORES) == [PARTITION, {"profile": "lite", "metric": "spatial", "generator": "pika"}]


@pytest.mark.parametrize("small", [0, 1 << 30])
def test_parts_are_read_in_order_at_once_or_one_by_one(
    manifests: Manifests, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfv_builder.storage.manifest.SMALL", small)
    for number in reversed(range(12)):
        manifests.add(SCORES, scores(f"clip{number:02}"), name=f"{number:02}", **PARTITION)
    assert ids(manifests) == [f"clip{number:02}" for number in range(12)]


def test_the_path_of_manifests_may_have_any_bytes(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / os.fsdecode(b"caf\xe9"))
    manifests.replace(SCORES, [scores("a")], **PARTITION)
    assert ids(manifests) == ["a"]


def test_pandas_reads_manifests(manifests: Manifests) -> None:
    manifests.replace(SCORES, [scores("a"), scores("b")], **PARTITION)
    frame = pd.read_parquet(manifests.local_root / "scores")
    assert sorted(frame["clip_id"]) == ["a", "b"]
    assert set(frame["generator"]) == {"kling"}


def test_a_table_without_parts_is_empty(manifests: Manifests) -> None:
    assert manifests.read(SCORES).num_rows == 0
    assert manifests.read(SCORES, ["clip_id"]).schema.names == ["clip_id"]
    assert manifests.partitions(SCORES) == []


def test_equal_rows_give_equal_files(manifests: Manifests, tmp_path: Path) -> None:
    other = Manifests(tmp_path / "other")
    for target in (manifests, other):
        target.add(SCORES, scores("x"), name="old", **PARTITION)
        target.replace(SCORES, [scores("a", "b")], **PARTITION)
        target.replace(SCORES, [scores("a", "b")], **PARTITION)
    (part,), (other_part,) = (target.parts(SCORES, **PARTITION) for target in (manifests, other))
    assert part.name == other_part.name
    assert part.read_bytes() == other_part.read_bytes()


@pytest.mark.parametrize("survived", range(20))
def test_a_replacement_killed_at_any_step_leaves_old_or_new(manifests: Manifests, survived: int) -> None:
    manifests.add(SCORES, scores("old1"), name="1", **PARTITION)
    manifests.add(SCORES, scores("old2"), name="2", **PARTITION)
    with killed_after(survived):
        manifests.replace(SCORES, [scores("new1"), scores("new2")], **PARTITION)
    after_the_kill = sorted(ids(manifests))
    assert after_the_kill in (["old1", "old2"], ["new1", "new2"])
    manifests.replace(SCORES, [scores("new1"), scores("new2")], **PARTITION)
    assert sorted(ids(manifests)) == ["new1", "new2"]
    assert [p.name for p in manifests.folder(SCORES, **PARTITION).iterdir() if p.name.startswith(".")] == []


def test_a_part_added_again_after_a_kill_is_kept(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new part has the name of a part that the replacement was about to delete."""

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    manifests.add(SCORES, scores("old"), name="1", **PARTITION)
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "unlink", killed)
        manifests.replace(SCORES, [scores("new")], **PARTITION)
    manifests.recover(SCORES, **PARTITION)
    manifests.add(SCORES, scores("again"), name="1", **PARTITION)
    assert sorted(ids(manifests)) == ["again", "new"]


def test_a_replacement_whose_rows_fail_keeps_the_old_rows(manifests: Manifests) -> None:
    manifests.add(SCORES, scores("old"), name="1", **PARTITION)

    def batches() -> Iterator[pa.Table]:
        yield scores("new")
        raise RuntimeError("out of rows")

    with pytest.raises(RuntimeError):
        manifests.replace(SCORES, batches(), **PARTITION)
    assert ids(manifests) == ["old"]


def test_types_are_cast_and_not_inferred(manifests: Manifests) -> None:
    rows = pa.table({name: pa.nulls(1) for name in LABELS.schema.names}).set_column(
        LABELS.schema.get_field_index("auto_label"), "auto_label", pa.array([2], pa.int64())
    )
    manifests.replace(LABELS, [rows], generator="kling")
    assert manifests.read(LABELS).schema.equals(LABELS.schema)
    wrong = rows.set_column(LABELS.schema.get_field_index("spatial"), "spatial", pa.array(["high"]))
    with pytest.raises(pa.ArrowInvalid):
        manifests.replace(LABELS, [wrong], generator="kling")


@pytest.mark.parametrize("part", [slice(0), slice(200), slice(-100)])
def test_a_damaged_part_is_named(manifests: Manifests, part: slice) -> None:
    path = manifests.add(SCORES, scores("a"), name="1", **PARTITION)
    data = path.read_bytes()
    ending = b"\xff" * 92 + data[-8:] if part.stop < 0 else b""
    path.write_bytes(data[part] + ending)
    with pytest.raises(UsageError, match=f"{path.name}.*delete it and run its stage again"):
        manifests.read(SCORES)


@pytest.mark.parametrize(("column", "value"), [("score", "high"), ("components", 1.5), ("fingerprint", [1])])
def test_a_part_with_values_of_other_types_is_named(manifests: Manifests, column: str, value: object) -> None:
    path = manifests.add(SCORES, scores("a"), name="1", **PARTITION)
    rows = pq.ParquetFile(path).read()
    pq.write_table(rows.set_column(rows.column_names.index(column), column, pa.array([value])), path)
    with pytest.raises(UsageError, match=f"{path.name} cannot be read.*delete it and run its stage again"):
        manifests.read(SCORES)


def test_an_unreadable_part_is_not_to_be_deleted(manifests: Manifests) -> None:
    path = manifests.folder(SCORES, **PARTITION) / "part-1.parquet"
    path.parent.mkdir(parents=True)
    path.symlink_to(path.name)  # the system refuses to open it
    with pytest.raises(UsageError, match=f"{path.name}.*nothing is lost: run the same command again"):
        manifests.read(SCORES)


def test_a_part_of_an_older_schema_is_named(manifests: Manifests) -> None:
    path = manifests.add(SCORES, scores("a"), name="1", **PARTITION)
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["trace"]), path)
    with pytest.raises(UsageError, match=f"{path.name} has no column trace"):
        manifests.read(SCORES)


def test_metadata_of_the_writer_stays_with_the_rows(manifests: Manifests) -> None:
    manifests.replace(SCORES, [scores("a").replace_schema_metadata({b"stamp": b"7"})], **PARTITION)
    (part,) = manifests.parts(SCORES, **PARTITION)
    rows = manifests.read_part(SCORES, part)
    assert rows.num_rows == 1
    assert rows.schema.metadata[b"stamp"] == b"7"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*--manifests DIR"):
        Manifests(tmp_path / "file").add(SCORES, scores("a"), name="1", **PARTITION)


def test_a_full_disk_is_a_usage_error_and_leaves_no_file(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device"):
        manifests.add(SCORES, scores("a"), name="1", **PARTITION)
    assert list(manifests.folder(SCORES, **PARTITION).iterdir()) == []


def test_a_lock_admits_one_command_at_a_time(manifests: Manifests) -> None:
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
def test_errors_of_locks_tell_another_hfv_from_missing_locks(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch, error: int, sentence: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", refuse)
    is_held = error == errno.EWOULDBLOCK
    refusal = pytest.raises(UsageError, match=sentence) if is_held else contextlib.nullcontext()
    with refusal, lock(manifests.root, "score-kling", needed=False):
        pass
    with pytest.raises(UsageError, match=sentence), manifests.lock("score-kling"):
        pass


def test_small_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    put(path, json.dumps({"a": 1}))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        put(path, "half")
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_replacement_stops_if_another_command_has_taken_over(manifests: Manifests) -> None:
    manifests.add(SCORES, scores("old"), name="1", **PARTITION)
    other = Manifests(manifests.root)

    def rows_during_a_takeover() -> Iterator[pa.Table]:
        yield scores("ours")
        other.replace(SCORES, [scores("theirs")], **PARTITION)
        yield scores("more of ours")

    with pytest.raises(UsageError, match="another hfv has taken over"):
        manifests.replace(SCORES, rows_during_a_takeover(), **PARTITION)
    assert ids(manifests) == ["theirs"]


def test_an_interrupt_after_the_journal_is_whole_is_raised(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests.add(SCORES, scores("old"), name="1", **PARTITION)

    def interrupted(path: Any, content: Any) -> None:
        put(path, content)
        if path.name == JOURNAL and '"whole": true' in content:
            raise KeyboardInterrupt

    monkeypatch.setattr("hfv_builder.storage.replacement.put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        manifests.replace(SCORES, [scores("new")], **PARTITION)
    assert ids(manifests) == ["new"]


def test_a_stall_while_the_journal_is_written_loses_nothing(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process takes this one for dead and undoes its replacement just before it is marked as whole."""
    manifests.add(SCORES, scores("old"), name="1", **PARTITION)
    other = Manifests(manifests.root)

    def stalling(path: Any, content: Any) -> None:
        if path.name == JOURNAL and '"whole": true' in content:
            other.recover(SCORES, **PARTITION)
        put(path, content)

    monkeypatch.setattr("hfv_builder.storage.replacement.put", stalling)
    with pytest.raises(UsageError, match="another hfv has taken over"):
        manifests.replace(SCORES, [scores("new")], **PARTITION)
    assert ids(manifests) == ["old"]
