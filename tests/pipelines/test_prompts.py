"""Prompts belong to the clips of their folder, and are kept as long as the clips exist."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.folder import list_clips
from pipelines.catalog.prompts import read_prompts
from pipelines.catalog.stage import catalog
from pipelines.cli import main
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import age, raising, rows

Fill = Callable[..., Path]


def test_prompts_of_a_table_are_catalogued(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=3)
    table = tmp_path / "prompts.csv"
    table.write_text("file,prompt\n000.mp4,A man  runs\n001.mp4,a man runs\n")
    catalog(manifests, "kling", folder, prompts=table, cluster=cluster)
    prompts_of = {Path(row["path"]).name: (row["prompt"], row["prompt_group"]) for row in rows(manifests, CLIPS)}
    assert prompts_of["000.mp4"][0] == "A man  runs"
    assert prompts_of["000.mp4"][1] == prompts_of["001.mp4"][1] is not None
    assert prompts_of["002.mp4"] == (None, None)


def test_prompts_belong_to_the_clips_of_their_folder(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    """Clips have the same names in every folder, and the name of one folder begins like that of another."""
    folder = clips_folder(count=2)
    for name, prompt in (("a", "a cat"), ("ab", "a dog")):
        other = tmp_path / name
        shutil.copytree(folder, other)
        with (other / "000.mp4").open("ab") as file:
            file.write(name.encode())  # so that it is no copy
        (tmp_path / f"{name}.csv").write_text(f"file,prompt\n000.mp4,{prompt}\n")
        catalog(manifests, "kling", other, prompts=tmp_path / f"{name}.csv", cluster=cluster)
    shutil.copy(tmp_path / "ab" / "000.mp4", tmp_path / "a" / "again.mp4")
    catalog(manifests, "kling", tmp_path / "a", prompts=tmp_path / "a.csv", cluster=cluster)
    prompts_of = {row["path"]: row["prompt"] for row in rows(manifests, CLIPS)}
    assert prompts_of[str(tmp_path / "a" / "000.mp4")] == "a cat"
    assert prompts_of[str(tmp_path / "ab" / "000.mp4")] == "a dog"


def test_prompts_of_a_file_that_is_read_again_are_kept(
    manifests: Manifests, clips_folder: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make score` catalogues without prompts; here its first run is killed before the rows are replaced."""
    folder = clips_folder(count=2)
    (tmp_path / "p.csv").write_text("file,prompt\n000.mp4,a cat\n")
    catalog(manifests, "kling", folder, prompts=tmp_path / "p.csv", cluster=Cluster(workers=0))
    age(monkeypatch)
    os.utime(folder / "000.mp4", (time.time(), time.time()))
    with monkeypatch.context() as patch:
        patch.setattr(Manifests, "replace", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            catalog(manifests, "kling", folder, cluster=Cluster(workers=0))
    age(monkeypatch)
    catalog(manifests, "kling", folder, cluster=Cluster(workers=0))
    assert [row["prompt"] for row in manifests.read(CLIPS).sort_by("path").to_pylist()] == ["a cat", None]


def test_a_line_names_one_file(manifests: Manifests, clips_folder: Fill, tmp_path: Path) -> None:
    """`000.mp4` names the clip in the folder itself, not one below it; every line and clip is reported."""
    folder = clips_folder(count=3)
    (folder / "sub").mkdir()
    shutil.copy(folder / "001.mp4", folder / "sub" / "000.mp4")
    with (folder / "sub" / "000.mp4").open("ab") as file:
        file.write(b"no copy")
    (tmp_path / "p.csv").write_text('file,prompt\n000.mp4,a cat\nnope.mp4,x\n001.mp4,A man, a dog\n002.mp4,"open\n')
    outcome = catalog(manifests, "kling", folder, prompts=tmp_path / "p.csv", cluster=Cluster(workers=0))
    prompts_of = {Path(row["path"]).relative_to(folder).as_posix(): row["prompt"] for row in rows(manifests, CLIPS)}
    assert prompts_of == {"000.mp4": "a cat", "001.mp4": None, "002.mp4": None, "sub/000.mp4": None}
    summary = outcome.summary["prompts"]
    assert (summary["lines"], summary["matched"], summary["unmatched"], summary["malformed"]) == (4, 1, 1, 2)
    assert [(complaint["line"], complaint["file"]) for complaint in summary["complaints"]] == [
        (3, "nope.mp4"),
        (4, "001.mp4"),
        (5, "002.mp4"),
    ]
    assert summary["clips_without"] == ["001.mp4", "002.mp4", "sub/000.mp4"]
    assert json.loads(json.dumps(summary)) == summary
    for expected in ("3  nope.mp4  no clip has this name", "it has 3 cells, not 2", "not closed", "sub/000.mp4"):
        assert expected in outcome.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.tsv", "file\tprompt\n000.mp4\ta, b\n"),
        ("p.json", '[{"file": "000.mp4", "prompt": "a, b"}]'),
        ("p.JSONL", '{"file": "000.mp4", "prompt": "a, b"}\n'),
        ("p.csv", 'file,prompt\n000.mp4,"a, b"\n'),
        ("p.txt", "file\tprompt\n000.mp4\ta, b\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_may_have_several_formats_and_encodings(tmp_path: Path, name: str, content: str, encoding: str) -> None:
    table = tmp_path / name
    table.write_text(content, encoding=encoding)
    assert read_prompts(table, tmp_path, ["000.mp4"]).by_name["000.mp4"][0] == "a, b"


@pytest.mark.parametrize(
    "content", [b"a\0 \0m\0a\0n\0", "a man".encode("utf-32"), b"\xff\xfea\0\0\xd8b\0", b"\xff\xfea\0b"]
)
def test_prompts_in_other_encodings_are_malformed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "b.txt").write_text("B")
    prompts = read_prompts(tmp_path, tmp_path, ["a.mp4", "b.mp4"])
    assert [*prompts.by_name] == ["b.mp4"]
    assert [(line.file, line.kind) for line in prompts.complaints] == [("a.txt", "malformed")]


@pytest.mark.parametrize("parent", [b"clips", b"caf\xe9"])
def test_prompts_of_paths_that_are_not_utf_8(tmp_path: Path, parent: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + parent))
    folder.mkdir()
    for name in (b"a man-0", b"\xe9-0"):
        for suffix, text in ((b".mp4", "x"), (b".txt", name.hex())):
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name + suffix)).write_text(text)
    listing = list_clips(folder)
    named, odd = names = sorted(str(listing.name(path)) for path in listing.files)
    assert named == "a man-0.mp4"
    assert odd.startswith("file://")
    by_name = read_prompts(folder, folder, names).by_name
    assert {name: prompt for name, (prompt, _) in by_name.items()} == {named: b"a man-0".hex(), odd: b"\xe9-0".hex()}
    prompts = read_prompts(None, folder, names)
    assert prompts.by_name[named][0] == "a man"
    assert prompts.without == [odd]


def test_prompts_may_be_text_files_beside_the_clips(tmp_path: Path) -> None:
    texts = {"a.txt": "A\n", "b.mp4.txt": "B", "sub/a.txt": "\ufeffsub A", "README.txt": "read me", "c.txt": " \n"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    (tmp_path / ".hidden.txt").write_text("x")
    names = ["a.mp4", "b.mp4", "c.mp4", "sub/a.mp4", "sub/README.mp4", "latin.mp4"]
    result = read_prompts(tmp_path, tmp_path, names)
    assert {name: prompt for name, (prompt, _) in result.by_name.items()} == {
        "a.mp4": "A",
        "b.mp4": "B",
        "sub/a.mp4": "sub A",
    }
    assert [(complaint.file, complaint.kind) for complaint in result.complaints] == [
        ("README.txt", "unmatched"),
        ("c.txt", "empty"),
        ("latin.txt", "malformed"),
    ]
    assert result.lines == 6
    assert "README.txt" in result.text()


def test_prompts_may_be_in_file_names(manifests: Manifests, clips_folder: Fill) -> None:
    folder = clips_folder(count=3)
    (folder / "000.mp4").rename(folder / "a man runs-0.mp4")
    (folder / "001.mp4").rename(folder / "A man runs-1.mp4")
    outcome = catalog(manifests, "kling", folder, prompts_in_names=True, cluster=Cluster(workers=0))
    prompts_of = {Path(row["path"]).name: (row["prompt"], row["prompt_group"]) for row in rows(manifests, CLIPS)}
    assert prompts_of["a man runs-0.mp4"][0] == "a man runs"
    assert prompts_of["a man runs-0.mp4"][1] == prompts_of["A man runs-1.mp4"][1] is not None
    assert prompts_of["002.mp4"] == (None, None)
    assert outcome.summary["prompts"]["clips_without"] == ["002.mp4"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("p.csv", "file,prompt\nnope.mp4,x\n", "p.csv has no prompt for any clip in .*: line 2, 'nope.mp4': no clip"),
        ("p.csv", 'file,prompt\na.mp4,"open\n', "line 2, 'a.mp4': a quote that is opened here is not closed"),
        ("p.csv", "file,prompt\na.mp4,\n", "its prompt is empty"),
        ("p.csv", "file,prompt\n", "p.csv contains no prompts"),
        ("p.json", "[]", "p.json contains no prompts"),
        ("p.jsonl", "", "p.jsonl contains no prompts"),
        ("texts/other.txt", "x", "other.txt.*no clip has this name"),
        ("texts/none.md", "x", "texts contains no prompts"),
    ],
)
def test_prompts_that_no_clip_gets_are_an_error(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    source = tmp_path / name
    source.parent.mkdir(exist_ok=True)
    source.write_text(content)
    with pytest.raises(UsageError, match=sentence):
        read_prompts(source if source.parent == tmp_path else source.parent, tmp_path, ["a.mp4"])
    with pytest.raises(UsageError, match=r"no clip in .* is named PROMPT-NUMBER"):
        read_prompts(None, tmp_path, ["a.mp4"])


@pytest.mark.parametrize("source", [["--prompts", "p.csv"], ["--prompts-in-names"]])
def test_prompts_for_a_folder_without_clips(
    tmp_path: Path, source: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("file,prompt\na.mp4,x\n")
    Path("clips").mkdir()
    assert main(["catalog", "--generator", "kling", "--clips", "clips", "--manifests", "m", *source]) == 2
    assert "there is no clip in" in capsys.readouterr().err
