"""An error in every clip is an error of the program: exit code 1, one sentence, and no row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.cli import main
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from pipelines.workers.faults import HELD, Fault, Suspects, described
from tests.pipelines.conftest import age, raising, rows

Fill = Callable[..., Path]
LITE = load_profile("lite")
IN_PROCESS = Cluster(workers=0)


def raise_type_error(*_: Any, **__: Any) -> Any:
    raise TypeError("open() got an unexpected keyword argument 'metadata_errors'")


def broken_for(name: str, function: Any, error: Exception) -> Callable[..., Any]:
    """Return the function with an error raised for the file of this name."""

    def call(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == name:
            raise error
        return function(path, *arguments, **options)

    return call


def test_scoring_raises_an_error_of_the_program_in_every_clip(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog(manifests, "kling", clips_folder(count=3, frames=4), cluster=IN_PROCESS)
    for error in (TypeError("x"), ImportError("x"), AttributeError("x"), NameError("x")):
        with monkeypatch.context() as patch:
            patch.setattr("hfv_builder.frames.video.decode", raising(error))
            why = rf"all of 3 clips failed with {type(error).__name__}: x.*no row was written"
            with pytest.raises(Fault, match=why):
                score(manifests, "kling", LITE, cluster=IN_PROCESS)
            assert rows(manifests, SCORES) == []
    assert score(manifests, "kling", LITE, cluster=IN_PROCESS).exit_code == 0


def test_a_single_clip_fails_alone_whatever_it_raises(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clip is in a shard with others, in its own shard, and in its own run after others were scored."""
    from hfv_builder.frames import video

    folder = clips_folder(count=3, frames=4)
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    odd = sorted(folder.iterdir())[0].name
    monkeypatch.setattr("hfv_builder.frames.video.decode", broken_for(odd, video.decode, TypeError("odd")))
    for shard in (64, 1):
        monkeypatch.setattr("pipelines.score.plan.SHARD", shard)
        outcome = score(manifests, "kling", LITE, cluster=IN_PROCESS, retry_failed=True)
        assert (outcome.exit_code, len(outcome.summary["failures"])) == (3, 1)
        assert "TypeError: odd" in outcome.summary["failures"][0]["reason"]


def test_cataloguing_raises_an_error_of_the_program_in_every_file(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = clips_folder(count=3, frames=4)
    arguments = ["catalog", "--generator", "kling", "--clips", str(folder), "--workers", "0"]
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.catalog.worker.probe", raise_type_error)
        assert main([*arguments, "--manifests", str(manifests.root)]) == 1
        err = capsys.readouterr().err
        assert "all of 3 clips failed with TypeError: open() got an unexpected keyword" in err
        assert "Traceback" not in err
        assert rows(manifests, CLIPS) == []
        with pytest.raises(UsageError, match="has no clips"):
            score(manifests, "kling", LITE, cluster=IN_PROCESS)
    assert main([*arguments, "--manifests", str(manifests.root)]) == 0


def test_a_single_file_is_catalogued_as_failed_whatever_it_raises(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.catalog import worker as module

    folder = clips_folder(count=2, frames=4)
    age(monkeypatch)
    assert catalog(manifests, "kling", folder, cluster=IN_PROCESS).exit_code == 0
    (folder / "odd.mp4").write_bytes((folder / "000.mp4").read_bytes() + b"\0")
    probe: Any = module.probe  # type: ignore[attr-defined]
    monkeypatch.setattr("pipelines.catalog.worker.probe", broken_for("odd.mp4", probe, AttributeError("odd")))
    outcome = catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    assert (outcome.exit_code, outcome.summary["ok"], outcome.summary["failed"]) == (3, 2, 1)


def test_many_suspects_end_a_run_early() -> None:
    suspects = Suspects[int](proven=False)
    suspects.hold([1] * (HELD - 1), "TypeError: x")
    with pytest.raises(Fault, match=f"all of {HELD} clips"):
        suspects.hold([1], "TypeError: y")
    proven = Suspects[int](proven=False)
    proven.hold([1, 2], "TypeError: x")
    proven.prove()
    assert proven.release() == [1, 2]


def test_an_error_is_described_with_the_line_that_raised_it() -> None:
    with pytest.raises(TypeError) as raised:
        raise_type_error()
    line = raise_type_error.__code__.co_firstlineno + 1
    assert described(raised.value).endswith(f"'metadata_errors' (pipelines/test_faults.py:{line})")
