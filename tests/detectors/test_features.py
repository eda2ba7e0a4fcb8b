"""Features are computed once per content, and no kill loses them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hfv_builder.detectors.feature_cache import FeatureCache
from hfv_builder.detectors.features import PART, contents_of, fill
from hfv_builder.detectors.reader import Release
from hfv_builder.records import ClipError, UsageError
from tests.killed import killed_after


class RecordingExtractor:
    """An extractor that records the files it reads."""

    fingerprint = "size of the file"

    def __init__(self) -> None:
        self.read: list[str] = []

    def extract(self, path: Path) -> Any:
        self.read.append(path.name)
        if path.stat().st_size == 0:
            raise ClipError("it is empty")
        return np.array([[path.stat().st_size]], np.int32)


def test_features_of_a_content_are_computed_once(release: Release, tmp_path: Path) -> None:
    paths = release.rows["path"].tolist()
    contents, failed = contents_of(release, paths, threads=2)
    assert failed == {}
    assert len({*contents.values()}) < len(paths)  # the variants of this sample are copies
    first, second = RecordingExtractor(), RecordingExtractor()
    assert fill(FeatureCache(tmp_path, "f"), first, release, contents, threads=2) == {}
    assert len(first.read) == len({*contents.values()})
    cache = FeatureCache(tmp_path, "f")
    assert fill(cache, second, release, contents, threads=1) == {}
    assert second.read == []
    for path, content in contents.items():
        assert cache[content].tolist() == [[(release.folder / path).stat().st_size]]
    assert not cache[content].flags.writeable
    assert "x" not in FeatureCache(tmp_path, "another fingerprint")


def test_a_clip_that_cannot_be_read_is_named_and_tried_again(release: Release, tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    cache = FeatureCache(tmp_path / "cache", "f")
    extractor = RecordingExtractor()
    for _ in range(2):
        assert fill(cache, extractor, release, {str(empty): "e"}, threads=1) == {str(empty): "it is empty"}
    assert len(extractor.read) == 2


@pytest.mark.parametrize("survived", range(6))
def test_a_killed_fill_is_completed_by_the_next(release: Release, tmp_path: Path, survived: int) -> None:
    contents = {path: f"{number:03d}" for number, path in enumerate(release.rows["path"])}
    assert len(contents) > PART
    with killed_after(survived):
        fill(FeatureCache(tmp_path, "f"), RecordingExtractor(), release, contents, threads=1)
    cache = FeatureCache(tmp_path, "f")
    fill(cache, RecordingExtractor(), release, contents, threads=1)
    assert all(content in cache for content in contents.values())
    assert not [*tmp_path.rglob("*.part")] or survived < 6


def test_a_damaged_cache_file_is_named(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, "f")
    cache.add({"a": np.zeros(3), "b": np.ones((2, 2), np.float16)})
    file = next(cache.folder.glob("*.arrow"))
    content = file.read_bytes()
    schema = pa.schema({"content": pa.string(), "values": pa.large_binary()})
    with pa.OSFile(str(tmp_path / "old"), "wb") as old, pa.ipc.new_file(old, schema) as writer:
        writer.write_table(pa.table({"content": ["a"], "values": [b"1"]}, schema=schema))
    offsets = np.array([0, 1, 3], np.int32).tobytes()  # of the shapes (3,) and (2, 2)
    assert content.count(offsets) == 1
    wrong_offsets = content.replace(offsets, np.array([0, 1 << 15, 3], np.int32).tobytes())
    for damaged in (content[:40], (tmp_path / "old").read_bytes(), wrong_offsets):
        file.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"is damaged .* delete it"):
            FeatureCache(tmp_path, "f")
    shapes = np.array([3, 2, 2]).tobytes()
    assert content.count(shapes) == 1
    file.write_bytes(content.replace(shapes, np.array([3, 2, 9]).tobytes()))
    with pytest.raises(UsageError, match=r"is damaged .* delete it"):
        FeatureCache(tmp_path, "f")["b"]


def test_shapes_and_dtypes_are_kept(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"a": np.zeros((0, 5), np.float16), "b": np.arange(6).reshape(1, 2, 3), "c": np.array(1.5)}
    FeatureCache(tmp_path, "f").add(arrays)
    cache = FeatureCache(tmp_path, "f")
    for content, array in arrays.items():
        assert cache[content].dtype == array.dtype
        np.testing.assert_array_equal(cache[content], array)
