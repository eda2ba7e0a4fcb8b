"""Reading releases: ours, sparse ones of others, pooled ones, shards, and what is no release."""

import shutil
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.records import ClipError, Split, UsageError
from hfv_builder.release.checksums import sha256


def test_clips_and_sets(release: Release) -> None:
    assert len(release.clips(Split.TRAIN)) == 16
    assert len(release.clips(Split.VAL)) == 4
    sizes = release.sets.groupby(["set", "variant"]).size().to_dict()
    # Each set has its own anomalies and all real test clips.
    assert sizes == {(name, variant): 10 for name in ("kling", "pika") for variant in ("", "blur3")}
    assert not release.is_pooled
    assert release.rows["path"].is_monotonic_increasing


def test_only_file_name_and_label_are_needed(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "sparse"
    for name in ("data/train", "eval/kling", "eval/film"):
        shutil.copytree(folder / name, made / name)
        table = pd.read_parquet(made / name / "metadata.parquet")
        table[["file_name", "label"]].to_parquet(made / name / "metadata.parquet")
    release = read_release(made)
    assert release.sets["generator"].isin(["kling", "film"]).all()
    assert release.rows["clip_id"].is_unique
    path = release.sets["path"][0]
    assert release.content(path) == sha256(made / path)


def test_validation_clips_stand_in_for_test_clips(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    release = read_release(tmp_path)
    assert release.is_pooled
    assert release.sets["set"].unique().tolist() == ["sora"]
    assert sorted(release.sets["label"]) == [0, 1, 2, 3]


def test_clips_in_shards_are_those_of_folders(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "sharded"
    shutil.copytree(folder, made)
    (made / "SHA256SUMS").unlink()
    whole = read_release(folder)
    before = {path: whole.content(path) for path in whole.rows["path"]}
    for table in made.rglob("metadata.parquet"):
        with tarfile.open(table.parent / "shard-000000.tar", "w") as tar:
            for clip in sorted(table.parent.rglob("*.mp4")):
                tar.add(clip, clip.relative_to(table.parent).as_posix())
                clip.unlink()
    release = read_release(made)
    assert {path: release.content(path) for path in release.rows["path"]} == before


def test_a_clip_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "r")
    release = read_release(tmp_path / "r")
    path = release.rows["path"][0]
    (release.folder / path).unlink()
    with pytest.raises(ClipError, match="hfv release attach"):
        release.content(path)


def test_what_is_no_release(folder: Path, tmp_path: Path) -> None:
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
    table.write_bytes(b"PAR1 damaged")
    with pytest.raises(UsageError, match="cannot be read"):
        read_release(tmp_path)


def test_the_checksum_names_the_content(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "another-name"))
    assert read_release(copy).checksum == read_release(folder).checksum
    (copy / "SHA256SUMS").write_text("")
    assert read_release(copy).checksum != read_release(folder).checksum
