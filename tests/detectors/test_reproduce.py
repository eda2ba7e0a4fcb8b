"""`hfv reproduce`: everything is trained once, evaluated, and set beside the paper's tables."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.registry import configure
from hfv_builder.evaluation.paper import beside, paper_tables
from hfv_builder.records import DONE, SOME_FAILED, UsageError
from pipelines.cli import main
from pipelines.detect import reproduce as stage
from pipelines.detect.prepare import Workplace
from pipelines.detect.reproduce import COMPARED, PLAN, reproduce
from pipelines.outcome import Outcome

SMALL: dict[str, Any] = {
    "cnndet": {
        "pretrained": False,
        "frames": 2,
        "side": 32,
        "resized": 36,
        "epochs": 1,
        "layers": [1, 1, 1, 1],
        "channels": [4, 4, 4, 4],
    }
}
DOCS = Path(__file__).parents[2] / "docs" / "detectors.md"


def test_it_trains_once_and_writes_the_tables(folder: Path, place: Workplace, tmp_path: Path, monkeypatch: Any) -> None:
    outcome = reproduce(folder, out=tmp_path / "all", detectors=["cnndet"], values=SMALL, place=place)
    assert outcome.exit_code == DONE
    assert [Path(run).name for run in outcome.summary["runs"]] == ["cnndet", "cnndet-binary"]
    text = (tmp_path / "all" / "paper.md").read_text()
    rows = pd.read_parquet(tmp_path / "all" / "results" / "results.parquet")
    figures = rows.set_index(["run", "set", "variant", "figure"])["value"]
    for run, kinds in (("cnndet", ("accuracy", "auc")), ("cnndet-binary", ("binary_accuracy", "binary_auc"))):
        cell = "/".join(f"{100 * figures[run, 'kling', '', kind]:.1f}" for kind in kinds)
        assert re.search(rf"\| CNNDet +\| ours +\|.* {cell} ", text)
    assert re.search(r"\| CNNDet +\| paper +\| 57.8/75.8", text)
    assert re.search(r"\| Uni-FD +\| ours +\| – ", text)
    weights = [*(tmp_path / "all").glob("runs/*/weights.safetensors")]
    before = [path.stat().st_mtime_ns for path in weights]
    monkeypatch.setattr(stage, "evaluate_runs", lambda *_, **__: outcome)  # trained is what is asked here
    reproduce(folder, out=tmp_path / "all", detectors=["cnndet"], values=SMALL, place=place)
    assert [path.stat().st_mtime_ns for path in weights] == before
    assert (tmp_path / "all" / "paper.md").read_text() == text


def test_clips_that_cannot_be_learnt_from_are_named(
    folder: Path, place: Workplace, tmp_path: Path, monkeypatch: Any
) -> None:
    evaluated = Outcome(summary={"failed": []}, text="")
    (tmp_path / "results").mkdir()
    pd.DataFrame({"run": [], "set": [], "variant": [], "figure": [], "value": []}).to_parquet(
        tmp_path / "results" / "results.parquet"
    )
    monkeypatch.setattr(stage, "evaluate_runs", lambda *_, **__: evaluated)
    monkeypatch.setattr(stage, "train_run", lambda *_: (None, {"data/train/a.mp4": "it is broken"}))
    outcome = reproduce(folder, out=tmp_path, detectors=["cnndet"], values=SMALL, place=place)
    assert outcome.exit_code == SOME_FAILED
    assert "1 clips cannot be read" in outcome.text
    assert outcome.summary["failed"] == [{"clip": "data/train/a.mp4", "error": "it is broken"}]


def test_all_that_is_missing_is_said_at_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Workplace(cache=tmp_path / "cache", device="cpu", weights=WeightsDir(root=tmp_path / "none"))
    with pytest.raises(UsageError) as error:
        reproduce(folder, out=tmp_path / "out", detectors=COMPARED[1:], place=place)
    for name in ("resnet50", "xception", "clip-l14", "timesformer"):
        assert f"/none/{name}/" in str(error.value)
    assert len(error.value.args) == len({*error.value.args}) == 4
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="clip-svm is not in the tables of the paper: choose from humansam"):
        reproduce(folder, detectors=["clip-svm"])
    config = tmp_path / "c.toml"
    config.write_text("epochs = 1\n")
    assert main(["reproduce", "--release", str(folder), "--config", str(config)]) == 2
    assert "epochs is in no table: put it below [cnndet]" in capsys.readouterr().err


def test_the_plan_has_every_run_of_the_tables() -> None:
    built = {row.run for table in paper_tables() for row in table.rows if row.is_built}
    assert built == {own.name for own in PLAN}
    assert {own.detector for own in PLAN} == {*COMPARED}
    for own in PLAN:
        configure(own.detector, dict(own.values), own.name)


def test_the_docs_show_the_papers_tables() -> None:
    text = re.sub(" +", " ", DOCS.read_text())
    for table in paper_tables():
        for row in table.rows:
            assert f"| {row.method} | paper | {' | '.join(row.cells)} |" in text


def test_imported_predictions_fill_a_row_of_their_own() -> None:
    figures = pd.DataFrame(
        [
            {"run": "dire", "set": name, "variant": "", "figure": figure, "value": 0.5}
            for name in ("kling", "mine", "mean")
            for figure in ("accuracy", "auc")
        ]
    )
    table = paper_tables()[0]
    rows = {(row["method"], row[""]): row for row in beside(table, figures)}
    ours = rows["DIRE", "ours"]
    assert (ours["Kling"], ours["Avg."], ours["mine"], ours["pika"]) == ("50.0/50.0", "50.0/50.0", "50.0/50.0", "–")
    assert rows["DIRE", "paper"]["mine"] == "–"
    assert ("MM-Det", "ours") not in rows
    assert rows["CNNDet", "ours"]["Kling"] == "–"


REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "humansam.txt"


def test_the_figures_are_the_papers() -> None:
    if not REFERENCE.is_file():
        pytest.skip(f"the paper is not there: {REFERENCE}")
    text = re.sub(r"[ \t]+", "\t", re.sub(r" ?/ ?", "/", REFERENCE.read_text()))
    for table in paper_tables():
        for row in table.rows:
            assert "\t".join(row.cells) in text, (table.number, row.method)
