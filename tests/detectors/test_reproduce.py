"""`hfv reproduce` trains every run once, evaluates them, and writes the results beside the paper's tables."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.registry import configure
from hfv_builder.detectors.training import Diverged
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


def test_reproduce_trains_once_and_writes_the_tables(
    folder: Path, workplace: Workplace, tmp_path: Path, monkeypatch: Any
) -> None:
    outcome = reproduce(folder, out=tmp_path / "all", detectors=["cnndet"], values=SMALL, place=workplace)
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
    monkeypatch.setattr(stage, "evaluate_runs", lambda *_, **__: outcome)  # only training is tested here
    reproduce(folder, out=tmp_path / "all", detectors=["cnndet"], values=SMALL, place=workplace)
    assert [path.stat().st_mtime_ns for path in weights] == before
    assert (tmp_path / "all" / "paper.md").read_text() == text


def test_unreadable_clips_and_failed_runs_are_named(
    folder: Path, workplace: Workplace, tmp_path: Path, monkeypatch: Any
) -> None:
    evaluated = Outcome(summary={"failed": []}, text="")
    (tmp_path / "results").mkdir()
    pd.DataFrame({"run": [], "set": [], "variant": [], "figure": [], "value": []}).to_parquet(
        tmp_path / "results" / "results.parquet"
    )
    monkeypatch.setattr(stage, "evaluate_runs", lambda *_, **__: evaluated)
    monkeypatch.setattr(stage, "train_run", lambda *_: (None, {"data/train/a.mp4": "it is broken"}))
    outcome = reproduce(folder, out=tmp_path, detectors=["cnndet"], values=SMALL, place=workplace)
    assert outcome.exit_code == SOME_FAILED
    assert "1 clip that cannot be read" in outcome.text
    assert outcome.summary["failed"] == [{"clip": "data/train/a.mp4", "error": "it is broken"}]
    for failure in (Diverged("training diverged in epoch 2"), RuntimeError("can't allocate memory")):
        trained: list[Path] = []

        def fail_at_first(
            name: str, config: Any, release: Any, out: Path, place: Any, *, own: Any = trained, failure: Any = failure
        ) -> Any:
            own.append(out)
            if len(own) == 1:
                raise failure
            return None, {}

        monkeypatch.setattr(stage, "train_run", fail_at_first)
        with pytest.raises(UsageError, match=f"cnndet is not trained: {failure}") as error:
            reproduce(folder, out=tmp_path, detectors=["cnndet"], values=SMALL, place=workplace)
        assert [path.name for path in trained] == ["cnndet", "cnndet-binary"]
        assert error.value.args[-1] == f"the tables of the other runs are in {tmp_path / 'paper.md'}"


def test_all_missing_weights_are_named_at_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace = Workplace(cache=tmp_path / "cache", device="cpu", weights=WeightsDir(root=tmp_path / "none"))
    with pytest.raises(UsageError) as error:
        reproduce(folder, out=tmp_path / "out", detectors=COMPARED[1:], place=workplace)
    for name in ("resnet50", "xception", "clip-l14", "timesformer"):
        assert f"/none/{name}/" in str(error.value)
    assert len(error.value.args) == len({*error.value.args}) == 4
    assert not (tmp_path / "out").exists()
    for key in ("target", "depth"):
        with pytest.raises(UsageError, match=f"tables of the paper decide humansam.{key}: leave it out"):
            reproduce(folder, out=tmp_path / "out", values={"humansam": {key: "binary"}}, place=workplace)
    with pytest.raises(UsageError, match="clip-svm is not in the tables of the paper: choose from humansam"):
        reproduce(folder, detectors=["clip-svm"])
    config = tmp_path / "c.toml"
    config.write_text("epochs = 1\n")
    assert main(["reproduce", "--release", str(folder), "--config", str(config)]) == 2
    assert "epochs is in no table: put it below [cnndet]" in capsys.readouterr().err


def test_the_plan_has_every_run_of_the_tables() -> None:
    built = {row.run for table in paper_tables() for row in table.rows if row.is_built}
    assert built == {entry.name for entry in PLAN}
    assert {entry.detector for entry in PLAN} == {*COMPARED}
    for entry in PLAN:
        configure(entry.detector, dict(entry.values), entry.name)


def test_the_docs_show_the_papers_tables() -> None:
    text = re.sub(" +", " ", DOCS.read_text())
    for table in paper_tables():
        for row in table.rows:
            assert f"| {row.method} | paper | {' | '.join(row.cells)} |" in text


def test_imported_predictions_have_their_own_row() -> None:
    figures = pd.DataFrame(
        [
            {"run": "dire", "set": name, "variant": "", "figure": figure, "value": 0.5 if name == "kling" else 0.9}
            for name in ("kling", "mine", "mean")
            for figure in ("accuracy", "auc")
        ]
    )
    table = paper_tables()[0]
    rows = {(row["method"], row[""]): row for row in beside(table, figures)}
    imported = rows["DIRE", "ours"]
    assert (imported["Kling"], imported["Avg."], imported["mine"], imported["pika"]) == (
        "50.0/50.0",
        "50.0/50.0",  # only the paper's sets
        "90.0/90.0",
        "–",
    )
    assert rows["DIRE", "paper"]["mine"] == "–"
    assert ("MM-Det", "ours") not in rows
    assert rows["CNNDet", "ours"]["Kling"] == "–"


REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "humansam.txt"


def test_figures_equal_those_of_the_paper() -> None:
    if not REFERENCE.is_file():
        pytest.skip(f"the paper is not there: {REFERENCE}")
    text = re.sub(r"[ \t]+", "\t", re.sub(r" ?/ ?", "/", REFERENCE.read_text()))
    for table in paper_tables():
        for row in table.rows:
            assert "\t".join(row.cells) in text, (table.number, row.method)
