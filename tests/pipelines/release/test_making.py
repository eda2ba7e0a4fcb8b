"""Making a release: the same bytes with any workers and interruptions, and no incomplete release."""

import errno
import fcntl
import itertools
import os
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hfv_builder.records import UsageError
from hfv_builder.release.media import ENCODING, Media
from hfv_builder.release.name import ReleaseName
from hfv_builder.release.recipe import Recipe, make_files
from hfv_builder.release.selection import choose_clips
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.lock import lock
from hfv_builder.storage.manifest import Manifests
from pipelines.cli import main
from pipelines.release import gather, stage, staging, worker
from pipelines.release.stage import release
from pipelines.release.verify import verify
from pipelines.split.stage import split
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards
from tests.conftest import moving_square, write_clip
from tests.killed import killed_after
from tests.release.sample import fill

NAME = ReleaseName(name="small", version="1.0.0")


def sums(folder: Path) -> str:
    return (folder / "SHA256SUMS").read_text()


def test_splits_made_meanwhile_are_all_in_the_release_or_none(
    ready: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def split_then(*arguments: Any) -> Any:
        rows = choose_clips(*arguments)
        monkeypatch.undo()
        split(ready, group="prompt")
        return rows

    split(ready)
    monkeypatch.setattr(gather, "choose_clips", split_then)
    dataset = gather.gather(ready, NAME, media="none", allow_lite=False, settings=None)
    assert dataset.group == "prompt"
    assert dataset.rows["policy"].str.endswith("-by-prompt").all()


def test_the_bytes_do_not_depend_on_workers_or_interruptions(
    ready: Manifests,
    tmp_path: Path,
    cluster: Cluster,
    here: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    gathered_once: None,
) -> None:
    monkeypatch.setattr(stage, "SHARD", 5)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "run_shards", run_shards)
        with_two = release(ready, NAME, out=tmp_path / "two", cluster=cluster)
    of_two_workers = tmp_path / "two" / "small-1.0.0"
    assert with_two.summary["clips"] == 24
    out, killed = tmp_path / "killed", 0
    final = out / "small-1.0.0"
    for survived in (0, 3, 9, 17, 22, 25, 28, 40, 200):
        if final.exists():
            break
        killed += 1
        with killed_after(survived):
            release(ready, NAME, out=out, cluster=here)
        assert not any(path.name == NAME.folder and not (path / "SHA256SUMS").exists() for path in out.glob("*"))
    assert killed >= 5
    assert final.exists()
    assert sums(final) == sums(of_two_workers)
    assert not list(out.glob("*.incomplete"))
    assert [path.name for path in final.rglob(".*")] == []


@pytest.fixture(scope="module")
def released(original: Path, here: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a release, which tests must not change."""
    out = tmp_path_factory.mktemp("released")
    release(Manifests(original / "manifests"), NAME, out=out, cluster=here)
    return out


def test_clips_are_hard_linked_or_copied(
    ready: Manifests, released: Path, tmp_path: Path, here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = next(released.rglob("*.mp4"))
    assert clip.stat().st_nlink > 1

    failures = itertools.cycle([errno.EXDEV, errno.EPERM, errno.ENOSYS])  # another disk, and file systems without links

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(next(failures), "no link")

    def unable(*_: Any) -> None:
        raise OSError(errno.EINVAL, "no flush and no lock")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(os, "fsync", unable)
    monkeypatch.setattr(fcntl, "flock", unable)
    release(ready, NAME, out=tmp_path, cluster=here)
    copied = tmp_path / clip.relative_to(released)
    assert copied.stat().st_nlink == 1
    assert copied.read_bytes() == clip.read_bytes()
    assert sums(released / NAME.folder) == sums(tmp_path / NAME.folder)


def test_clips_in_unusual_codecs_are_encoded_and_listed(tmp_path: Path, here: Cluster) -> None:
    def write(path: Path, number: int) -> Path:
        codec, suffix = {0: ("ffv1", ".mkv"), 1: ("mpeg4", ".avi")}.get(number, ("libx264", ".mp4"))
        release_folder = write_clip(path.with_suffix(suffix), moving_square(8, seed=number), codec=codec)
        return release_folder.rename(path)  # the suffix does not tell the container

    manifests = fill(tmp_path, clips=4, write=write)
    outcome = release(manifests, NAME, out=tmp_path, cluster=here)
    assert outcome.summary["changed"] == {"encoded": 1, "remuxed": 1}
    assert "1 encoded, 1 remuxed" in outcome.text
    release_folder = tmp_path / NAME.folder
    rows = pd.concat(map(pd.read_parquet, release_folder.rglob("metadata.parquet")))
    assert rows["media"].value_counts().to_dict() == {"original": 14, "encoded": 1, "remuxed": 1}
    assert rows["num_frames"].eq(8).all()
    assert "1 clip: encoded anew as H.264" in (release_folder / "README.md").read_text()
    assert [problem for problem in verify(release_folder).summary["problems"]] == []


def test_a_release_can_have_metadata_alone(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    release(ready, NAME, out=tmp_path, media=Media.NONE, cluster=here)
    folder = tmp_path / NAME.folder
    assert not list(folder.rglob("*.mp4"))
    assert pd.read_parquet(folder / "data/train/metadata.parquet")["media"].eq("none").all()
    assert verify(folder).summary["problems"] == []


def test_a_release_is_never_changed(ready: Manifests, released: Path, here: Cluster) -> None:
    before = sums(released / NAME.folder)
    with pytest.raises(UsageError, match="is there already, and a release is never changed"):
        release(ready, NAME, out=released, cluster=here)
    assert sums(released / NAME.folder) == before


def test_finished_clips_are_not_made_again(
    ready: Manifests, tmp_path: Path, here: Cluster, monkeypatch: pytest.MonkeyPatch, gathered_once: None
) -> None:
    monkeypatch.setattr(stage, "SHARD", 5)
    made_paths: list[str] = []

    def recording_make_files(source: Path, paths: dict[str, str], *rest: Any, **options: Any) -> Any:
        made_paths.extend(paths.values())
        return make_files(source, paths, *rest, **options)

    monkeypatch.setattr(worker, "make_files", recording_make_files)
    with killed_after(17):
        release(ready, NAME, out=tmp_path, cluster=here)
    before = len(made_paths)
    assert 10 <= before < 24
    release(ready, NAME, out=tmp_path, cluster=here)
    assert len(made_paths) - before <= 24 - 10
    assert {*made_paths} == {path.relative_to(tmp_path / NAME.folder).as_posix() for path in tmp_path.rglob("*.mp4")}


def test_a_clip_that_changed_since_an_interrupted_run_is_named(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", moving_square(8))
    digest = file_sha256(clip)
    paths = (("", "data/train/seed/ab/a.mp4"),)
    files = [worker.ClipFile(generator="seed", clip_id=digest[:16], source=str(clip), sha256=digest, paths=paths)]
    place = partial(worker.place_shard, files, recipe=Recipe(variants=ENCODING), folder=tmp_path / "new", out=tmp_path)
    assert place() == place()
    with clip.open("r+b") as file:  # the hard link in the release changes with it
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    later = clip.stat().st_mtime_ns + 10**9
    os.utime(clip, ns=(later, later))
    assert place().errors == [f"{clip}: the file has changed since it was catalogued"]


def test_files_of_an_interrupted_run_are_removed(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    leftover = tmp_path / f"{NAME.folder}.incomplete" / "data/train/old/ab"
    leftover.mkdir(parents=True)
    (leftover / "old.mp4").write_text("x")
    release(ready, NAME, out=tmp_path, cluster=here)
    assert not (tmp_path / NAME.folder / "data/train/old").exists()


def test_release_on_the_command_line(
    ready: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my sets").mkdir()
    monkeypatch.chdir(tmp_path / "my sets")
    where = ["--manifests", str(ready.root), "--workers", "0"]
    assert main(["release", "small", "--version", "1.0.0", *where]) == 0
    command = shlex.split(capsys.readouterr().out.rpartition("next: hfv ")[2])  # a path with a blank is quoted
    assert command == ["release", "verify", str(tmp_path / "my sets/releases/small-1.0.0")]
    clip = next(Path("releases").rglob("*.mp4"))
    assert main(command) == 0
    clip.unlink()
    assert main(["release", "verify", "releases/small-1.0.0"]) == 3
    capsys.readouterr()
    for arguments, sentence in (
        (["release", "small"], "give the version of small"),
        (["release", "verify"], "name the release to check"),
        (["release", "small", "releases", "--version", "1.0.0"], "small takes no folder"),
        (["release", "init", *where], "release.toml is there already"),
        (
            ["release", "init", "--version", "1.0.0"],
            "--version belongs to `hfv release NAME`, not to `hfv release init`",
        ),
        (["release", "verify", "releases/small-1.0.0", "--clips", "x"], "--clips belongs to `hfv release attach`"),
        (["release", "small", "--version", "1.1.0", "--to", "me/small"], "--to belongs to `hfv release push`"),
    ):
        assert main(arguments) == 2
        assert sentence in capsys.readouterr().err
    assert main(["release", "init", "--manifests", "new"]) == 0
    settings = ["--settings", "new/release.toml"]
    assert main(["release", "small", "--version", "2.0.0", "--workers", "0", *settings, *where[:2]]) == 2
    assert "title is missing: fill it in" in capsys.readouterr().err


def test_two_commands_cannot_make_a_release_at_once(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    with (
        lock(tmp_path, f"release-{NAME.folder}"),
        pytest.raises(UsageError, match="another hfv is at work on release-"),
    ):
        release(ready, NAME, out=tmp_path, cluster=here)
    assert not [*tmp_path.glob(f"{NAME.folder}*")]


@pytest.mark.parametrize("closed", ["out", "out/small-1.0.0.incomplete"])
def test_folders_of_somebody_else_are_refused_at_once(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / closed)
    with (
        pytest.raises(UsageError, match=f"cannot write to {tmp_path / closed}: permission denied"),
        staging.staging(tmp_path / "out", NAME),
    ):
        pass
