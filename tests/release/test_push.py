"""Publishing a release: resumable, and a published version never changes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from hfv_builder.records import UsageError
from hfv_builder.release.checksums import read_checksums
from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.manifest import Manifests
from pipelines.cli import main
from pipelines.release import push as module
from pipelines.release.push import push
from pipelines.release.stage import release
from tests.killed import Killed
from tests.release.hub import Hub, standing_in
from tests.release.inline import inline

REPOSITORY = "someone/small"
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")  # of huggingface_hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(module, "BATCH", 7)
    with standing_in() as hub:
        yield hub


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_published_is_the_release(made: Path, hub: Hub) -> None:
    outcome = push(made, REPOSITORY)
    assert hub.tags["1.0.0"] == content(made) | {".gitattributes": hub.files[".gitattributes"]}
    assert outcome.summary["url"] == f"{hub.address}/datasets/someone/small"
    assert outcome.summary["sent"] == len(content(made))
    assert hub.commits[-1] == "Release small 1.0.0"
    assert len(hub.commits) == 1 + -(-(len(content(made)) - 3) // 7)


@pytest.mark.parametrize("survived", [0, 1, 3])
def test_an_interrupted_one_goes_on(made: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, survived: int) -> None:
    plain = huggingface_hub.HfApi.create_commit

    def killed(*arguments: object, **options: object) -> object:
        if len(hub.commits) == survived:
            raise Killed
        return plain(*arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub.HfApi, "create_commit", killed)
        with pytest.raises(Killed):
            push(made, REPOSITORY)
    assert not hub.tags
    assert "SHA256SUMS" not in hub.files
    assert "README.md" not in hub.files
    uploads = hub.uploads
    outcome = push(made, REPOSITORY)
    assert outcome.summary["sent"] == len(content(made)) - 7 * survived
    assert hub.uploads - uploads <= outcome.summary["sent"]
    assert hub.tags["1.0.0"].keys() - {".gitattributes"} == content(made).keys()


def test_the_last_step_alone(made: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub.HfApi, "create_tag", killed)
        with pytest.raises(Killed):
            push(made, REPOSITORY)
    push(made, REPOSITORY)
    assert hub.tags["1.0.0"].keys() - {".gitattributes"} == content(made).keys()


def test_a_published_version_never_changes(made: Path, hub: Hub) -> None:
    push(made, REPOSITORY)
    before, commits = dict(hub.tags["1.0.0"]), len(hub.commits)
    with pytest.raises(UsageError, match=r"someone/small has version 1.0.0 already, .* another --version"):
        push(made, REPOSITORY)
    assert len(hub.commits) == commits
    assert hub.tags == {"1.0.0": before}


def test_the_next_version_takes_its_place_beside_it(made: Path, filled: Manifests, hub: Hub, tmp_path: Path) -> None:
    push(made, REPOSITORY)
    before = dict(hub.tags["1.0.0"])
    with inline() as cluster:
        release(filled, ReleaseName(name="small", version="1.1.0"), out=tmp_path, media="none", cluster=cluster)
    push(tmp_path / "small-1.1.0", REPOSITORY)
    assert hub.tags["1.0.0"] == before
    assert hub.tags["1.1.0"].keys() - {".gitattributes"} == content(tmp_path / "small-1.1.0").keys()


def test_what_is_no_release_is_not_sent(made: Path, hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no release"):
        push(tmp_path, REPOSITORY)
    copy = Path(shutil.copytree(made, tmp_path / "small-1.0.0"))
    clip = sorted(copy.rglob("*.mp4"))[-1]
    sound = clip.read_bytes()
    clip.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(UsageError, match=r"\.mp4 is not the file of its checksum, so it was not sent"):
        push(copy, REPOSITORY)
    assert clip.relative_to(copy).as_posix() not in hub.files
    clip.unlink()
    with pytest.raises(UsageError, match=r"is not whole: 1 file is missing, such as .*run `hfv release verify"):
        push(copy, REPOSITORY)
    (copy / "SHA256SUMS").write_text("")
    for text in ("[]", "{}", '{"name": 1, "version": 2}'):
        (copy / "croissant.json").write_text(text)
        with pytest.raises(UsageError, match="does not name the release"):
            push(copy, REPOSITORY)
    assert not hub.tags


def test_attached_media_stays_here(made: Path, hub: Hub, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "small-1.0.0"))
    (copy / "data" / "private.mp4").write_bytes(b"under a licence")
    push(copy, REPOSITORY)
    sums, _ = read_checksums((copy / "SHA256SUMS").read_text())
    assert hub.files.keys() - {".gitattributes"} == {*sums, "SHA256SUMS"}


def test_someone_elses_repository_is_left_alone(made: Path, hub: Hub) -> None:
    hub.files["their.bin"] = b"theirs"
    with pytest.raises(UsageError, match=r"holds 1 other files, such as their.bin, .* name an empty repository"):
        push(made, REPOSITORY)
    assert hub.commits == []


def test_a_hub_that_cannot_be_reached_is_a_usage_error(made: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="cannot push to someone/small: "):
        push(made, REPOSITORY)


def test_the_command_line(made: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.refuses = True
    for arguments, sentence in (
        (["release", "push", str(made)], "name the repository: `hfv release push DIR --to someone/my-set`"),
        (["release", "push", "--to", REPOSITORY], "name the release to push"),
        (["release", "push", str(made), "--to", "a/b/c"], "a/b/c cannot name a repository"),
        (["release", "push", str(made), "--to", REPOSITORY], "cannot push to someone/small: "),
    ):
        assert main(arguments) == 2
        assert sentence in capsys.readouterr().err
    hub.refuses = False
    assert main(["release", "push", str(made), "--to", REPOSITORY]) == 0
    assert "small 1.0.0 is at http" in capsys.readouterr().out
