"""Reading releases: complete, sparse, pooled, in shards, and folders that are no release."""

import json
import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.records import ClipError, Split, UsageError
from hfv_builder.release.checksums import checksums_text
from hfv_builder.storage.checksum import file_sha256
from tests.release.sample import no_utf8


def test_a_release_has_its_clips_and_sets(release: Release) -> None:
    assert len(release.clips(Split.TRAIN)) == 16
    assert len(release.clips(Split.VAL)) == 4
    sizes = release.sets.groupby(["set", "variant"]).size().to_dict()
    # Every set has its own anomalies and all real test clips.
    assert sizes == {(name, variant): 10 for name in ("kling", "pika") for variant in ("", "blur3")}
    assert not release.is_pooled
    assert release.rows["path"].is_monotonic_increasing


def test_metadata_needs_only_file_name_and_label(folder: Path, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    for name in ("data/train", "eval/kling", "eval/film"):
        shutil.copytree(folder / name, sparse / name)
        table = pd.read_parquet(sparse / name / "metadata.parquet")
        table[["file_name", "label"]].to_parquet(sparse / name / "metadata.parquet")
    release = read_release(sparse)
    assert release.sets["generator"].isin(["kling", "film"]).all()
    assert release.rows["clip_id"].is_unique
    path = release.sets["path"][0]
    assert release.content(path) == file_sha256(sparse / path)


def test_validation_clips_replace_missing_test_clips(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    release = read_release(tmp_path)
    assert release.is_pooled
    assert release.sets["set"].unique().tolist() == ["sora"]
    assert sorted(release.sets["label"]) == [0, 1, 2, 3]


def test_clips_in_shards_have_the_contents_of_files(folder: Path, tmp_path: Path) -> None:
    sharded = tmp_path / "sharded"
    shutil.copytree(folder, sharded)
    (sharded / "SHA256SUMS").unlink()
    unsharded = read_release(folder)
    before = {path: unsharded.content(path) for path in unsharded.rows["path"]}
    for table in sharded.rglob("metadata.parquet"):
        with tarfile.open(table.parent / "shard-000000.tar", "w") as tar:
            for clip in sorted(table.parent.rglob("*.mp4")):
                tar.add(clip, clip.relative_to(table.parent).as_posix())
                clip.unlink()
    release = read_release(sharded)
    assert {path: release.content(path) for path in release.rows["path"]} == before


def test_equal_file_names_in_two_sets_are_two_clips(tmp_path: Path) -> None:
    for name in ("kling", "pika", "kling@blur3"):
        (tmp_path / "eval" / name).mkdir(parents=True)
        table = pd.DataFrame({"file_name": ["0.mp4", "1.mp4"], "label": [0, 3]})
        table.to_parquet(tmp_path / "eval" / name / "metadata.parquet")
    sets = read_release(tmp_path).sets
    assert sets.groupby(["set", "variant"])["clip_id"].agg(list).to_dict() == {
        ("kling", ""): ["eval/kling/0", "eval/kling/1"],
        ("kling", "blur3"): ["eval/kling/0", "eval/kling/1"],
        ("pika", ""): ["eval/pika/0", "eval/pika/1"],
    }


def test_a_damaged_shard_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data" / "train", tmp_path / "data" / "train", ignore=lambda *_: {"sora", "film"})
    shard = tmp_path / "data" / "train" / "shard-000000.tar"
    with tarfile.open(shard, "w") as tar:
        for clip in sorted((folder / "data" / "train").rglob("*.mp4")):
            tar.add(clip, clip.relative_to(folder / "data" / "train").as_posix())
    whole = shard.read_bytes()
    (tmp_path / "SHA256SUMS").write_text(checksums_text({"data/train/shard-000000.tar": file_sha256(shard)}))
    for damaged in (whole[:5000], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]):
        shard.write_bytes(damaged)
        release = read_release(tmp_path)
        with pytest.raises(UsageError, match=r"shard-000000.tar is damaged .*: download it again"):
            release.content(release.rows["path"][0])


def test_a_clip_that_changed_since_the_release_was_made_is_an_error(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "r")
    release = read_release(tmp_path / "r")
    first, second = (release.folder / release.rows["path"][place] for place in (0, 1))
    shutil.copy(second, first)
    with pytest.raises(ClipError, match="is not the one in SHA256SUMS"), release.file(release.rows["path"][0]):
        pass


def test_labels_are_read_by_the_names_that_datasets_gives_them(tmp_path: Path) -> None:
    table = tmp_path / "eval" / "kling" / "metadata.parquet"
    table.parent.mkdir(parents=True)

    def labels_of(names: list[str], labels: list[int]) -> list[int]:
        own = pa.table({"file_name": [f"{number}.mp4" for number in range(len(labels))], "label": labels})
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        pq.write_table(own.replace_schema_metadata({"huggingface": json.dumps(features)}), table)
        return list(read_release(tmp_path).rows["label"])

    # `class_encode_column` numbers texts by the alphabet.
    assert labels_of(["appearance", "motion", "real", "spatial"], [0, 1, 2, 3]) == [1, 2, 3, 0]
    assert labels_of(["spatial", "real"], [1, 0, 1]) == [3, 0, 3]
    assert labels_of(["spatial", "appearance", "motion", "real"], [0, 3]) == [0, 3]
    with pytest.raises(UsageError, match="labels that are not 0"):
        labels_of(["spatial", "real"], [0, -1])
    with pytest.raises(UsageError, match="names a label fake: rename them to spatial, appearance, motion, real"):
        labels_of(["real", "fake"], [0, 1])


def test_columns_of_other_types_are_converted_or_named(tmp_path: Path) -> None:
    table = tmp_path / "data" / "train" / "metadata.parquet"
    table.parent.mkdir(parents=True)
    rows = pd.DataFrame({"file_name": [7, 8], "label": [0.0, 3.0], "generator": ["kling", None], "clip_id": [1, 2]})
    rows.astype({"generator": "category"}).to_parquet(table)
    read = read_release(tmp_path).rows
    assert read["path"].tolist() == ["data/train/7", "data/train/8"]
    assert read["clip_id"].tolist() == ["1", "2"]
    assert read["generator"].tolist() == ["kling", "train"]
    assert read["label"].tolist() == [0, 3]
    for column, values, kind in (("num_frames", [48.5, 2], "double"), ("prompt", [["a"], []], "list")):
        pd.concat([rows, pd.Series(values, name=column)], axis=1).to_parquet(table)
        why = rf"has values in {column} \({kind}.*\) that cannot be converted to (int32|string)"
        with pytest.raises(UsageError, match=why):
            read_release(tmp_path)


def test_a_column_that_exists_twice_is_named(tmp_path: Path) -> None:
    table = tmp_path / "data" / "train" / "metadata.parquet"
    table.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_arrays([["a.mp4"], [0], [1]], ["file_name", "label", "label"]), table)
    with pytest.raises(UsageError, match="has 2 columns label"):
        read_release(tmp_path)


def test_a_missing_clip_is_an_error(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "r")
    release = read_release(tmp_path / "r")
    path = release.rows["path"][0]
    (release.folder / path).unlink()
    with pytest.raises(ClipError, match="hfv release attach"):
        release.content(path)


def test_folders_that_are_no_release_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a release"):
        read_release(tmp_path)
    shutil.copytree(folder / "data", tmp_path / "data")
    table = tmp_path / "data" / "train" / "metadata.parquet"
    pd.read_parquet(table).drop(columns="label").to_parquet(table)
    with pytest.raises(UsageError, match="no column label"):
        read_release(tmp_path)
    pd.DataFrame({"file_name": ["a.mp4"], "label": [7]}).to_parquet(table)
    with pytest.raises(UsageError, match="labels that are not 0"):
        read_release(tmp_path)
    for labels in (["spatial"], [2.7], [None], [True]):
        pd.DataFrame({"file_name": ["a.mp4"], "label": labels}).to_parquet(table)
        with pytest.raises(UsageError, match="labels that are not 0"):
            read_release(tmp_path)
    pd.DataFrame({"file_name": ["a.mp4", None], "label": 0}).to_parquet(table)
    with pytest.raises(UsageError, match="a row without file_name"):
        read_release(tmp_path)
    pd.DataFrame({"file_name": ["a.mp4", "b.mp4"], "label": 0, "clip_id": "1"}).to_parquet(table)
    with pytest.raises(UsageError, match="more than one row with the clip_id 1"):
        read_release(tmp_path)
    table.write_bytes(b"PAR1 damaged")
    with pytest.raises(UsageError, match="cannot be read"):
        read_release(tmp_path)
    pd.DataFrame({"file_name": ["a.mp4"], "label": [0]}).to_parquet(table)
    no_utf8(table, "file_name")
    with pytest.raises(UsageError, match=r"cannot be read \(.*Invalid UTF8"):
        read_release(tmp_path)


def test_the_checksum_depends_on_the_content_alone(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "another-name"))
    assert read_release(copy).checksum == read_release(folder).checksum
    table = copy / "data" / "train" / "metadata.parquet"
    rows = pd.read_parquet(table)
    rows.assign(label=3 - rows["label"]).to_parquet(table)  # edited after the release was made
    edited = read_release(copy).checksum
    assert edited != read_release(folder).checksum
    (copy / "SHA256SUMS").write_text("")
    assert read_release(copy).checksum == edited
