"""What `hfv train` and `hfv evaluate` refuse, with a sentence that names the cause."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hfv_builder.detectors.chance import Chance
from hfv_builder.detectors.reader import read_release
from hfv_builder.records import UsageError
from pipelines.cli import main
from pipelines.detect.evaluate import evaluate_runs
from pipelines.detect.prepare import Workplace
from pipelines.detect.train import train


def test_a_clip_that_a_run_had_read_and_that_is_gone_is_named(folder: Path, tmp_path: Path) -> None:
    copy, workplace = Path(shutil.copytree(folder, tmp_path / "r")), Workplace(device="cpu", threads=1)
    train("metadata", copy, values={}, out=tmp_path / "run", place=workplace)
    clip = next((copy / "data" / "train").rglob("*.mp4"))
    clip.unlink()
    with pytest.raises(
        UsageError, match=rf"differs in clips \(1 cannot be read, such as data/train/.*{clip.name}: its file"
    ):
        train("metadata", copy, values={}, out=tmp_path / "run", place=workplace)


def test_a_release_without_train_needs_a_run(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "eval", tmp_path / "eval")
    with pytest.raises(UsageError, match=r"nothing to evaluate: name a run(.|\n)*prior is left out"):
        evaluate_runs([], tmp_path, out=tmp_path / "out")


def test_no_evaluation_set_is_taken_for_the_means(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "eval" / read_release(folder).sets["set"].iloc[0], tmp_path / "eval" / "mean")
    with pytest.raises(UsageError, match="has an evaluation set named mean, the name of the means of all sets"):
        evaluate_runs([], tmp_path, out=tmp_path / "out")


def test_a_generator_without_readable_clips_is_named(folder: Path, workplace: Workplace, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "r"))
    shutil.rmtree(copy / "data" / "train" / "film")
    values = {"target": "generator"}
    with pytest.raises(UsageError, match="have no film clip"):
        train("metadata", copy, values=values, out=tmp_path / "run", place=workplace)


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_folders_that_cannot_be_written_are_named(
    out: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "theirs.csv").write_text("clip_id,p_real\n0000000000000015,0.5\n")
    where = ["--release", str(folder), "--out", str(tmp_path / out)]
    predictions = ["--name", "x", "--predictions", str(tmp_path / "theirs.csv")]
    for command in (["train", "chance"], ["evaluate"], ["evaluate", "import", *predictions]):
        assert main([*command, *where]) == 2
        assert "cannot be written" in capsys.readouterr().err


def test_a_gpu_that_is_missing_is_named(
    folder: Path, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="no GPU is found here: leave out --device"):
        train("chance", folder, values={}, out=tmp_path / "run", place=replace(workplace, device="cuda"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # as a login file sets it everywhere
    assert replace(workplace, device=None).chosen_device == "cpu"


def test_lack_of_memory_is_a_usage_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: object, *_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Chance, "fit", fail)
    assert main(["train", "chance", "--release", str(folder), "--out", str(tmp_path / "run")]) == 2
    assert "Tried to allocate 2.00 GiB.): end other programs that use it" in capsys.readouterr().err
