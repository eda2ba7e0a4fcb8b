"""WebDataset shards: deterministic, streamed by `datasets`, and unpacked they are the release of folders."""

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.records import UsageError
from hfv_builder.release import shards
from hfv_builder.release.checksums import FILE as CHECKSUMS
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.manifest import Manifests
from pipelines.release.stage import release
from pipelines.release.verify import verify
from pipelines.workers.cluster import Cluster
from tests.killed import killed_after
from tests.release.conftest import NAME
from tests.release.inline import inline


@pytest.fixture(scope="module")
def here() -> Iterator[Cluster]:
    with inline() as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "CLIPS", 4)
        yield cluster


@pytest.fixture(scope="module")
def packed(filled: Manifests, here: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed")
    return Path(release(filled, NAME, out=out, sharded=True, cluster=here).summary["release"])


def content(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob(pattern)}


def test_unpacked_it_is_the_release_of_folders(packed: Path, made: Path, tmp_path: Path) -> None:
    assert not list(packed.rglob("*.mp4"))
    tars = sorted(packed.rglob("*.tar"))
    assert len([tar for tar in tars if tar.parent.name == "train"]) > 1
    for tar in tars:
        with tarfile.open(tar) as opened:
            for name in opened.getnames():
                file = tmp_path / tar.parent.relative_to(packed) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(opened.extractfile(name).read())  # type: ignore[union-attr]
    assert content(tmp_path, "*.mp4") == content(made, "*.mp4")
    assert content(packed, "metadata.parquet") == content(made, "metadata.parquet")
    assert content(packed / "humansam", "*.csv") == content(made / "humansam", "*.csv")
    rows = pd.concat(map(pd.read_parquet, packed.rglob("metadata.parquet"))).set_index("clip_id")
    for said in map(json.loads, content(tmp_path, "*.json").values()):
        assert said["label"] == rows.loc[said["clip_id"], "label"]
        assert None not in said.values()


def test_it_is_whole_and_others_stream_it(packed: Path) -> None:
    report = verify(packed).summary
    assert (report["problems"], report["not_checked"]) == ([], [])
    loaded = datasets.load_dataset(str(packed), "third.2", split="test", streaming=True)
    rows = list(loaded.cast_column("mp4", datasets.Video(decode=False)))
    assert {row["json"]["generator"] for row in rows} == {"third.2", "film"}
    assert all(row["mp4"]["bytes"][4:8] == b"ftyp" for row in rows)


def test_killed_and_resumed_it_is_the_same(
    packed: Path, filled: Manifests, here: Cluster, tmp_path: Path, gathered_once: None
) -> None:
    for survived in (1, 28, 12, 1000):  # the second is killed while it packs a shard, the third while it resumes that
        with killed_after(survived):
            release(filled, NAME, out=tmp_path, sharded=True, cluster=here)
    assert (tmp_path / NAME.folder / CHECKSUMS).read_text() == (packed / CHECKSUMS).read_text()


def test_damage_shows(filled: Manifests, here: Cluster, tmp_path: Path) -> None:
    made = Path(release(filled, NAME, out=tmp_path, sharded=True, cluster=here).summary["release"])
    first, second, *_ = sorted(made.rglob("*.tar"))
    cut = first.relative_to(made).as_posix()
    with tarfile.open(second) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    with tarfile.open(second, "w") as tar:
        for member, data in members:
            changed = data.replace(b'"label": ', b'"label": 1') if member.name.endswith(".json") else data
            member.size = len(changed)
            tar.addfile(member, io.BytesIO(changed))
    first.write_bytes(first.read_bytes()[:700])
    sums = (made / CHECKSUMS).read_text().splitlines()
    sums = [f"{file_sha256(made / line[66:])}  {line[66:]}" for line in sums]
    (made / CHECKSUMS).write_text("\n".join(sums) + "\n")
    wrong = verify(made).summary["problems"]
    assert [row["file"] for row in wrong if row["problem"].startswith("cannot be read: it is no whole tar")] == [cut]
    assert len([row for row in wrong if "contradicts the metadata" in row["problem"]]) == 4
    assert len([row for row in wrong if "there is no such file" in row["problem"]]) == 4


def test_clips_that_others_replaced_show(packed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / packed.name))
    shard = sorted((folder / "data/train").glob("*.tar"))[0]
    with tarfile.open(shard) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    clips = [data for member, data in members if member.name.endswith(".mp4")]
    others = iter([clips[1], clips[1], b"no clip", *clips[3:]])
    with tarfile.open(shard, "w") as tar:
        for member, data in members:
            new = next(others) if member.name.endswith(".mp4") else data
            member.size = len(new)
            tar.addfile(member, io.BytesIO(new))
        last = next(member for member, _ in reversed(members) if member.name.endswith(".mp4"))
        tar.addfile(last, io.BytesIO(clips[-1]))
    sums = [line[66:] for line in (folder / CHECKSUMS).read_text().splitlines()]
    (folder / CHECKSUMS).write_text("".join(f"{file_sha256(folder / path)}  {path}\n" for path in sums))
    names = [f"data/train/{member.name}" for member, _ in members if member.name.endswith(".mp4")]
    wrong = [(row["file"], row["problem"].partition(":")[0]) for row in verify(folder).summary["problems"]]
    other = "it is not the file that its id names"
    assert wrong == [
        (names[0], other),
        (names[2], "it cannot be opened"),
        (names[2], other),
        (names[-1], "is in the shards twice"),
    ]


def test_a_label_of_nothing_shows(packed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / packed.name))
    path = folder / "data/train/metadata.parquet"
    table = pq.read_table(path)
    rows = table.to_pandas()
    rows.loc[0, "label"] = 7
    pq.write_table(pa.Table.from_pandas(rows, table.schema, preserve_index=False), path)
    assert "its label is none of the four" in {row["problem"] for row in verify(folder).summary["problems"]}


def test_large_clips_get_shards_of_their_own() -> None:
    facts = {"clip_id": "a", "generator": "g", "is_real": False, "label": 0, "r_hat": 0.5, "confidence_weight": 1.0}
    facts |= {"label_source": "auto", "reviewers": 0, "media": "original"}
    rows = pd.DataFrame([facts | {"file_name": name, "path": f"f/{name}"} for name in ("b.mp4", "a.mp4", "c.mp4")])
    sizes = {"f/a.mp4": 2 * shards.BYTES, "f/b.mp4": 1, "f/c.mp4": 1}
    planned = list(shards.plan_shards("f", rows, sizes))
    assert [[name for name, _ in shard.clips] for shard in planned] == [["a.mp4"], ["b.mp4", "c.mp4"]]
    assert [shard.path for shard in planned] == ["f/shard-000000.tar", "f/shard-000001.tar"]


def test_no_shards_without_media(filled: Manifests, here: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a release without media has no shards"):
        release(filled, NAME, out=tmp_path, media="none", sharded=True, cluster=here)
