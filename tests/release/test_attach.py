"""Putting clips into a release that came without media."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import pandas as pd
import pytest

from hfv_builder.records import UsageError
from hfv_builder.release import verification
from hfv_builder.release.catalogued import FILE, catalogued_csv, read_catalogued
from hfv_builder.release.checksums import checksums_text, read_checksums
from hfv_builder.release.media import Placed, place_original
from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.part_file import part_path
from pipelines.cli import main
from pipelines.release import attach as module
from pipelines.release.attach import attach
from pipelines.release.stage import release
from pipelines.release.verify import verify
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.killed import Killed
from tests.release.sample import fill

NAME = ReleaseName(name="bare", version="1.0.0")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    def write(path: Path, number: int) -> Path:
        codec = "ffv1" if number == 1 else "libx264"
        made = write_clip(
            path.with_suffix(".mkv" if number == 1 else ".mp4"), moving_square(8, seed=number), codec=codec
        )
        return made.rename(path)

    return fill(tmp_path_factory.mktemp("bare"), clips=4, write=write)


@pytest.fixture(scope="module")
def released(ready: Manifests, here: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release without media; nobody may change it."""
    out = tmp_path_factory.mktemp("out")
    release(ready, NAME, out=out, media="none", cluster=here)
    return out / NAME.folder


@pytest.fixture
def bare(released: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(released, tmp_path / NAME.folder))


@pytest.fixture(scope="module")
def mine(ready: Manifests, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips as someone else keeps them: other names, each beside another clip that has its old one."""
    folder = tmp_path_factory.mktemp("clips") / "mine"
    for number, file in enumerate(sorted(Path(str(ready.root)).parent.joinpath("clips").rglob("*.mp4"))):
        (folder / "a" / "b").mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / "a" / "b" / f"{number} clip.mp4")
        write_clip(folder / file.name, moving_square(8, seed=900 + number))
    return folder


@pytest.fixture
def clips(mine: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(mine, tmp_path / "mine"))


@pytest.fixture
def own_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out `datasets` and `mlcroissant` when a release is verified: other tests here have them read the same."""
    monkeypatch.setattr(verification, "try_others", lambda *_: None)


def test_clips_are_known_by_their_content(bare: Path, clips: Path, here: Cluster) -> None:
    before = (bare / "SHA256SUMS").read_bytes()
    outcome = attach(bare, [str(clips)], cluster=here)
    assert (outcome.exit_code, outcome.summary["attached"], outcome.summary["missing"]) == (0, 16, [])
    assert (bare / "SHA256SUMS").read_bytes() == before
    report = verify(bare).summary
    assert report["problems"] == []
    for path in bare.rglob("metadata.parquet"):
        assert all((path.parent / name).is_file() for name in pd.read_parquet(path)["file_name"])
    wanted = [*read_catalogued((bare / "catalogued.csv").read_text())]
    assert sum(file_sha256(bare / each.path) != each.sha256 for each in wanted) == 1  # nothing plays FFV1 in MP4
    loaded = datasets.load_dataset(str(bare), split="train", streaming=True)
    row = next(iter(loaded.cast_column("video", datasets.Video(decode=False))))
    assert Path(row["video"]["path"]).is_file()


def test_what_is_missing_is_named_and_can_come_later(bare: Path, clips: Path, here: Cluster) -> None:
    first = sorted((clips / "a" / "b").iterdir())[0]
    away = first.rename(clips.parent / "away.mp4")
    outcome = attach(bare, [str(clips)], cluster=here)
    assert outcome.exit_code == 3
    assert len(outcome.summary["missing"]) == 1
    assert outcome.summary["missing"][0] in outcome.text
    report = verify(bare).summary
    assert report["problems"] == []
    assert report["not_checked"] == ["`datasets` cannot load it until clips are attached in 1 more places"]
    other = clips.parent / "other"
    other.mkdir()
    away.rename(other / "late.mp4")
    assert attach(bare, [str(clips), str(other)], cluster=here).exit_code == 0
    report = verify(bare).summary
    assert (report["problems"], report["not_checked"]) == ([], [])


def test_killed_it_goes_on(
    bare: Path, clips: Path, here: Cluster, monkeypatch: pytest.MonkeyPatch, own_checks: None
) -> None:
    monkeypatch.setattr(module, "SHARD", 5)
    calls = 0

    def killed(source: Path, target: Path, *, expected: str) -> Placed:
        nonlocal calls
        calls += 1
        if calls == 8:
            with pytest.raises(UsageError, match="another hfv is at work on attach-bare"):
                verify(bare)
            raise Killed
        return place_original(source, target, expected=expected)

    with monkeypatch.context() as patch:
        patch.setattr(module, "place_original", killed)
        patch.setattr(module, "put", lambda *_: None)  # nor can anything be written down
        with pytest.raises(Killed):
            attach(bare, [str(clips)], cluster=here)
    clip = next(bare.rglob("*.mp4"))
    part_path(clip, 1).touch()
    (bare / ".hfv-list.tmp").touch()
    assert attach(bare, [str(clips)], cluster=here).summary["attached"] == 16
    assert verify(bare).summary["problems"] == []


def test_damage_to_attached_clips_shows(bare: Path, clips: Path, here: Cluster, own_checks: None) -> None:
    attach(bare, [str(clips)], cluster=here)
    changed, gone, *_ = sorted(bare.rglob("*.mp4"))
    changed.unlink()
    write_clip(changed, moving_square(8, seed=5000))
    gone.unlink()
    wrong = {row["file"]: row["problem"] for row in verify(bare).summary["problems"]}
    assert wrong == {
        changed.relative_to(bare).as_posix(): "its bytes are not those of its checksum",
        gone.relative_to(bare).as_posix(): "is missing",
    }
    assert attach(bare, [str(clips)], cluster=here).exit_code == 0
    assert verify(bare).summary["problems"] == []


def test_other_files_are_never_attached_ones(bare: Path, own_checks: None) -> None:
    (bare / "extra.py").write_text("x")
    (bare / "ATTACHED.SHA256SUMS").write_text(f"{file_sha256(bare / 'extra.py')}  extra.py\n")
    assert verify(bare).summary["problems"] == [{"file": "extra.py", "problem": "is not in SHA256SUMS"}]


@pytest.mark.parametrize("change", [lambda text: text.replace("eval/other", "eval/o", 1), lambda text: text[:200]])
def test_the_list_of_files_is_that_of_the_metadata(bare: Path, change: Callable[[str], str], own_checks: None) -> None:
    (bare / FILE).write_text(change((bare / FILE).read_text()))
    sums, _ = read_checksums((bare / "SHA256SUMS").read_text())
    (bare / "SHA256SUMS").write_text(checksums_text(sums | {FILE: file_sha256(bare / FILE)}))
    problems = verify(bare).summary["problems"]
    assert problems
    assert {problem["file"] for problem in problems} == {FILE}


def test_ids_and_times_of_kinetics() -> None:
    names = ["/k400/0wR5jVB-WPk_000417_000427.mp4", "s3://k400/-_-abcdefgh_000000_000010.webm", "/k400/my_clip_1_2.mp4"]
    facts = {"clip_id": ["a", "b", "c"], "generator": "k400", "sha256": "0", "bytes": 1, "source": names}
    table = pd.read_csv(io.StringIO(catalogued_csv(pd.DataFrame({"path": ["x", "y", "z"]} | facts))))
    assert table["video_id"].fillna("").tolist() == ["0wR5jVB-WPk", "-_-abcdefgh", ""]
    assert table["start_s"].fillna(-1).tolist() == [417, 0, -1]
    assert table["end_s"].fillna(-1).tolist() == [427, 10, -1]


def test_what_cannot_be_attached_to(
    bare: Path, clips: Path, made: Path, here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, sentence in ((tmp_path, "is no release"), (made, "needs no clips: only a release made with")):
        with pytest.raises(UsageError, match=sentence):
            attach(folder, [str(clips)], cluster=here)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, _: path != bare)
        with pytest.raises(UsageError, match=f"write to {bare}; copy the release to"):
            attach(bare, [str(clips)], cluster=here)
    listing = bare / "catalogued.csv"
    listing.write_text(listing.read_text().replace("data/train", "../elsewhere"))
    with pytest.raises(UsageError, match=r"catalogued.csv is damaged \(its bytes are not .*: get the release again"):
        attach(bare, [str(clips)], cluster=here)
    with pytest.raises(ValueError, match="is not inside the release"):
        [*read_catalogued(listing.read_text())]


def test_damaged_lists_of_checksums_are_no_fault_of_ours(bare: Path, clips: Path, here: Cluster) -> None:
    (bare / "ATTACHED.SHA256SUMS").write_bytes(b"\xff\xfe")
    assert attach(bare, [str(clips)], cluster=here).exit_code == 0
    (bare / "SHA256SUMS").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="needs no clips"):
        attach(bare, [str(clips)], cluster=here)


def test_no_link_leads_out_of_the_release(bare: Path, clips: Path, here: Cluster, tmp_path: Path) -> None:
    path = next(iter(read_catalogued((bare / FILE).read_text()))).path
    (outside := tmp_path / "outside").mkdir()
    folder = (bare / path).parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(outside)
    with pytest.raises(UsageError, match="is a link that leads out of the release: get the release again"):
        attach(bare, [str(clips)], cluster=here)
    assert not [*outside.iterdir()]


def test_the_command_line(bare: Path, clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, sentence in (
        (["release", "attach"], "name the release to attach clips to"),
        (["release", "attach", str(bare)], "name the folder with the clips"),
        (["release", "attach", str(bare), "--clips", "nowhere"], "the clips folder"),
    ):
        assert main(arguments) == 2
        assert sentence in capsys.readouterr().err
    assert main(["release", "attach", str(bare), "--clips", str(clips), "--workers", "0"]) == 0
    assert "16 of 16 clips of" in capsys.readouterr().out
