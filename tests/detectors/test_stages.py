"""`hfv train`, `hfv evaluate` and `hfv evaluate import`: folders, refusals and kills."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hfv_builder.detectors import parts
from hfv_builder.detectors.clip_svm import ClipSvm
from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.detectors.run_folder import PREDICTIONS, Run, read_run, write_run
from hfv_builder.records import DONE, SOME_FAILED, UsageError
from pipelines.alone import alone
from pipelines.cli import main
from pipelines.detect import train as stage
from pipelines.detect.evaluate import _unique_names, evaluate_runs
from pipelines.detect.imports import import_predictions
from pipelines.detect.predict import predict
from pipelines.detect.prepare import Workplace
from pipelines.detect.train import train
from tests.killed import Killed, killed_after

QUICK = {"frames": 3, "target": "anomaly"}
SLOW = {"frames": 2, "frames_per_epoch": 1, "epochs": 3, "target": "binary", "patience": 9}
WEIGHTS_FILE = "weights.safetensors"


@pytest.fixture(scope="module")
def run(folder: Path, workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run of a trained clip-svm, which tests must not change."""
    out = tmp_path_factory.mktemp("runs") / "svm"
    assert train("clip-svm", folder, values=QUICK, out=out, place=workplace).exit_code == DONE
    return out


def test_a_run_records_its_release_and_versions(run: Path, release: Release) -> None:
    content = read_run(run)
    assert content.done
    assert content.specification.checksum == release.checksum
    assert content.specification.generators == ("sora",)
    assert content.facts["versions"]["scikit-learn"] != "none"
    assert {path.name for path in run.iterdir()} >= {"run.json", WEIGHTS_FILE, "curve.parquet"}
    assert not (run / "state").exists()


def test_a_run_is_trained_once_and_never_replaced(run: Path, folder: Path, workplace: Workplace) -> None:
    before = (run / WEIGHTS_FILE).stat().st_mtime_ns
    train("clip-svm", folder, values=QUICK, out=run, place=workplace)
    train("clip-svm", folder, values={}, out=run, resume=True, place=workplace)
    assert (run / WEIGHTS_FILE).stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="holds a run that differs in config: give another --out"):
        train("clip-svm", folder, values=QUICK | {"kernel": "linear"}, out=run, place=workplace)
    with pytest.raises(UsageError, match="is a run of clip-svm"):
        train("chance", folder, values={}, out=run, resume=True, place=workplace)
    with pytest.raises(UsageError, match="not empty and not a run"):
        train("chance", folder, values={}, out=folder, place=workplace)


def test_one_command_at_a_time_writes_an_output_folder(
    folder: Path, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def while_another_trains(trained: Run) -> None:
        if not trained.done:
            with pytest.raises(UsageError, match="another hfv is at work on train in "):
                train("metadata", folder, values={}, out=tmp_path, place=workplace)
        write_run(trained)

    monkeypatch.setattr(stage, "write_run", while_another_trains)
    train("chance", folder, values={}, out=tmp_path, place=workplace)
    with alone(tmp_path / "floors", "evaluate"), pytest.raises(UsageError, match="at work on evaluate in "):
        evaluate_runs([tmp_path], folder, out=tmp_path, place=workplace)


def test_evaluation_writes_all_files_and_includes_the_floors(
    run: Path, folder: Path, workplace: Workplace, tmp_path: Path
) -> None:
    outcome = evaluate_runs([run], folder, out=tmp_path / "results", place=workplace)
    assert outcome.exit_code == DONE
    names = {"results.parquet", "results.md", "results.tex", "results.html", "differences.parquet", "floors"}
    assert {path.name for path in (tmp_path / "results").iterdir()} == names
    table = pd.read_parquet(tmp_path / "results" / "results.parquet")
    assert table["run"].unique().tolist() == ["chance", "metadata", "prior", "svm"]
    value = table.set_index(["run", "set", "variant", "figure"])["value"]
    assert value["svm", "mean", "", "binary_auc"] > 0.9
    assert value["chance", "mean", "", "binary_auc"] == 0.5
    assert value["svm", "mean", "blur3", "accuracy"] == value["svm", "mean", "", "accuracy"]  # copies in this sample
    for file in ("results.md", "results.tex"):
        assert "prior" in (tmp_path / "results" / file).read_text()
    predictions = [*(run / "predictions").glob("*.parquet")]
    assert len(predictions) == 1
    rows = pd.read_parquet(predictions[0])
    assert rows.columns.tolist() == PREDICTIONS.names
    assert len(rows) == 40
    shutil.rmtree(tmp_path / "results" / "floors")
    (tmp_path / "results" / "results.html").unlink()
    evaluate_runs([run], folder, out=tmp_path / "results", place=workplace)
    assert table.equals(pd.read_parquet(tmp_path / "results" / "results.parquet"))


def test_a_clip_that_cannot_be_read_is_named_and_the_others_count(
    folder: Path, weights: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "small-1.0.0"))
    broken = next((copy / "eval" / "kling").rglob("*.mp4"))
    broken.write_bytes(b"no video")
    (copy / "SHA256SUMS").unlink()
    missing = next((copy / "data" / "train").rglob("*.mp4"))
    missing.unlink()
    workplace = Workplace(device="cpu", threads=1, weights=weights)  # type: ignore[arg-type]
    trained = train("clip-svm", copy, values=QUICK, out=tmp_path / "run", place=workplace)
    assert trained.exit_code == SOME_FAILED
    assert missing.name in trained.text
    monkeypatch.setattr(parts, "EVERY_S", 0.0)
    evaluate_runs([tmp_path / "run"], copy, out=tmp_path / "out", place=workplace)
    monkeypatch.setattr(ClipSvm, "predict", None)  # the clips that can be read are not predicted again
    evaluated = evaluate_runs([tmp_path / "run"], copy, out=tmp_path / "out", place=workplace)
    assert evaluated.exit_code == SOME_FAILED
    assert [row["clip"] for row in evaluated.summary["failed"]] == [broken.relative_to(copy).as_posix()]
    assert "has no prediction for 1 clip," in evaluated.text
    assert (tmp_path / "features").is_dir()  # next to the release


def test_imported_predictions_are_in_the_table(run: Path, folder: Path, workplace: Workplace, tmp_path: Path) -> None:
    predictions = pd.read_parquet(
        next((run / "predictions").glob("*.parquet"), None) or _predicted(run, folder, workplace, tmp_path)
    )
    table = predictions[predictions["variant"] == ""].drop_duplicates("clip_id")[["clip_id", "p_real"]]
    file = tmp_path / "theirs.csv"
    table.iloc[1:].to_csv(file, index=False)
    outcome = import_predictions("theirs", file, folder, out=tmp_path / "theirs")
    assert outcome.exit_code == SOME_FAILED  # one clip is missing, and no variant has predictions
    assert outcome.details["problems"].num_rows == 1 + len(table)
    evaluated = evaluate_runs([run, tmp_path / "theirs"], folder, out=tmp_path / "out", place=workplace)
    assert "theirs: only p(real) is known" in evaluated.text
    with pytest.raises(UsageError, match="holds a trained run"):
        import_predictions("svm", file, folder, out=run)
    with pytest.raises(UsageError, match="cannot name a run"):
        import_predictions("../x", file, folder)
    with pytest.raises(UsageError, match="cannot be read"):
        import_predictions("x", tmp_path / "none.csv", folder, out=tmp_path / "x")
    (tmp_path / "percent.csv").write_text(f"clip_id,p_real\n{table['clip_id'].iloc[0]},70\n")
    with pytest.raises(
        UsageError, match=r"no valid prediction for a clip of .*, such as 0.*: p_real is no probability"
    ):
        import_predictions("x", tmp_path / "percent.csv", folder, out=tmp_path / "theirs")


def _predicted(run: Path, folder: Path, workplace: Workplace, tmp_path: Path) -> Path:
    evaluate_runs([run], folder, out=tmp_path / "first", place=workplace)
    return next((run / "predictions").glob("*.parquet"))


@pytest.mark.parametrize("survived", range(0, 12, 2))
def test_a_killed_run_is_trained_to_the_same_weights(
    run: Path, folder: Path, weights: object, tmp_path: Path, survived: int
) -> None:
    workplace = Workplace(cache=tmp_path / "cache", device="cpu", threads=1, weights=weights)  # type: ignore[arg-type]
    with killed_after(survived):
        train("clip-svm", folder, values=QUICK, out=tmp_path / "run", place=workplace)
    train("clip-svm", folder, values=QUICK, out=tmp_path / "run", place=workplace)
    assert (tmp_path / "run" / WEIGHTS_FILE).read_bytes() == (run / WEIGHTS_FILE).read_bytes()


def test_a_run_killed_in_an_epoch_resumes_to_the_same_weights(
    folder: Path, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, killed = tmp_path / "whole", tmp_path / "killed"
    outcome = train("ft-clip", folder, values=SLOW, out=uninterrupted, place=workplace)
    assert [row["epoch"] for row in outcome.summary["curve"]] == [1, 2, 3]

    def kill(folder: Path, curve: list[dict[str, float]]) -> None:
        if len(curve) == 2:
            raise Killed

    monkeypatch.setattr(stage, "write_curve", kill)
    with pytest.raises(Killed):
        train("ft-clip", folder, values=SLOW, out=killed, place=workplace)
    monkeypatch.undo()
    assert not read_run(killed).done
    with pytest.raises(UsageError, match="not trained to its end: run `hfv train ft-clip"):
        evaluate_runs([killed], folder, out=tmp_path / "out", place=workplace)
    train("ft-clip", folder, values={}, out=killed, resume=True, place=workplace)
    assert (killed / WEIGHTS_FILE).read_bytes() == (uninterrupted / WEIGHTS_FILE).read_bytes()
    assert pd.read_parquet(killed / "curve.parquet").equals(pd.read_parquet(uninterrupted / "curve.parquet"))


def test_runs_can_be_limited_to_generators_of_the_release(folder: Path, workplace: Workplace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no clip of veo is in train: choose from sora"):
        train("chance", folder, values={"generators": ["veo"]}, out=tmp_path / "a", place=workplace)
    train("chance", folder, values={"generators": ["sora"]}, out=tmp_path / "b", place=workplace)
    assert read_run(tmp_path / "b").specification.generators == ("sora",)


def test_train_and_evaluate_on_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = tmp_path / os.fsdecode("é".encode("latin-1"))  # a name that is not UTF-8
    folder = Path(shutil.copytree(folder, latin / latin.name))
    where = ["--release", str(folder), "--cache", str(latin / "cache"), "--device", "cpu"]
    run = latin / "runs" / latin.name
    out = ["--out", str(run)]
    config = latin / "c.toml"
    monkeypatch.setenv("RANK", "1")  # of another program: this is the only process
    config.write_text('target = "binary"\nframes = 2\n')
    assert main(["train", "clip-svm", *where, *out, "--config", str(config), "--set", "kernel=linear"]) == 0
    assert "clip-svm was trained on 16 clips" in capsys.readouterr().out
    config_of_run = read_run(run).specification.config
    assert (config_of_run["kernel"], config_of_run["frames"], config_of_run["target"]) == ("linear", 2, "binary")
    predictions = latin / "theirs.parquet"
    predictions.write_bytes(pd.DataFrame({"clip_id": ["0000000000000015"], "p_real": [0.5]}).to_parquet())
    theirs = ["--name", latin.name, "--predictions", str(predictions), "--out", str(latin / "theirs")]
    assert main(["evaluate", "import", *theirs, *where[:2]]) == SOME_FAILED
    runs = [str(run), str(latin / "theirs")]
    assert main(["evaluate", *runs, *where, "--out", str(latin / "results")]) == 0
    assert "results.html" in capsys.readouterr().out
    for arguments in (
        ["train", "clip-svm", *where, *out, "--set", "kernel"],
        ["train", "clip-svm", *where, *out, "--resume", "--seed", "1"],
        ["train", "clip-svm", *where, "--resume"],
        ["evaluate", "import", *where],
        ["evaluate", *where, "--name", "x"],
        ["evaluate", str(folder), *where],
    ):
        assert main(arguments) == 2
        assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path))
    assert main(["train", "ft-clip", *where]) == 2
    assert capsys.readouterr().err.endswith("run `hfv weights pull`\n")  # a detector has no profile


def test_floors_are_trained_again_when_a_clip_was_repaired(folder: Path, tmp_path: Path) -> None:
    copy, workplace = Path(shutil.copytree(folder, tmp_path / "r")), Workplace(device="cpu", threads=1)
    clip = next((copy / "data" / "train").rglob("*.mp4"))
    content = clip.read_bytes()
    clip.unlink()
    evaluate_runs([], copy, out=tmp_path / "out", place=workplace)
    clip.write_bytes(content)
    evaluate_runs([], copy, out=tmp_path / "out", place=workplace)
    table = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert table[table["run"].eq("metadata")]["target"].eq("anomaly").all()


def test_a_replaced_clip_without_a_listed_checksum_is_predicted_again(folder: Path, tmp_path: Path) -> None:
    copy, workplace = Path(shutil.copytree(folder, tmp_path / "r")), Workplace(device="cpu", threads=1)
    (copy / "SHA256SUMS").unlink()
    train("metadata", copy, values={}, out=tmp_path / "run", place=workplace)
    for failed in (0, 1):
        predicted = predict(read_run(tmp_path / "run"), read_release(copy), workplace)
        assert len(predicted.failed) == failed
        next((copy / "eval" / "kling").rglob("*.mp4")).write_bytes(b"no video")


def test_predictions_of_a_set_that_was_renamed_are_made_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.detect.predict.predict_in_parts", None)  # a floor predicts all clips at once
    copy, workplace = Path(shutil.copytree(folder, tmp_path / "r")), Workplace(device="cpu", threads=1)
    (copy / "SHA256SUMS").unlink()
    train("chance", copy, values={}, out=tmp_path / "run", place=workplace)
    run = read_run(tmp_path / "run")
    predict(run, read_release(copy), workplace)
    (copy / "eval" / "kling").rename(copy / "eval" / "kling-1.5")
    rows = predict(run, read_release(copy), workplace).rows
    assert {*rows["set"][rows["variant"].eq("")]} == {"kling-1.5", "pika"}


def test_sets_without_readable_clips_have_no_figures(run: Path, folder: Path, weights: object, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "r"))
    for clip in (copy / "eval").rglob("*.mp4"):
        clip.unlink()
    workplace = Workplace(device="cpu", threads=1, weights=weights)  # type: ignore[arg-type]
    shutil.copytree(run, tmp_path / "run", ignore=lambda *_: {"predictions"})
    outcome = evaluate_runs([tmp_path / "run"], copy, out=tmp_path / "out", place=workplace)
    assert outcome.exit_code == SOME_FAILED
    value = pd.read_parquet(tmp_path / "out" / "results.parquet").set_index(["run", "set", "variant", "figure"])[
        "value"
    ]
    for name in ("metadata", "run"):
        assert np.isnan(value[name, "mean", "", "binary_auc"])


def test_every_run_has_a_name_of_its_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [replace(read_run(run), folder=Path(name)) for name in ("a/x (2)", "a/x", "a/x", "b/x", "b/prior")]
    names = _unique_names(runs)
    assert names == ["x (2)", "a/x", "a/x (2)", "b/x", "b/prior"]
    assert _unique_names([runs[0], runs[1]]) == ["x (2)", "x"]
    monkeypatch.chdir(run)
    assert read_run(Path()).name == run.name
