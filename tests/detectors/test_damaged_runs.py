"""Folders of runs with damaged or changed files."""

import json
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.detectors.arrays import save_arrays
from hfv_builder.detectors.run_folder import read_run
from hfv_builder.records import DONE, UsageError
from pipelines.cli import main
from pipelines.detect.evaluate import evaluate_runs
from pipelines.detect.own_clips import predict_clips
from pipelines.detect.prepare import Workplace
from pipelines.detect.train import train
from pipelines.outcome import Outcome

WEIGHTS_FILE = "weights.safetensors"


@pytest.mark.parametrize("name", ["chance", "prior"])
def test_changed_weights_are_refused_and_trained_again(name: str, folder: Path, tmp_path: Path) -> None:
    out, where = tmp_path / "run", ["--release", str(folder)]
    train(name, folder, values={}, out=out)
    trained = (out / WEIGHTS_FILE).read_bytes()
    save_arrays(out / WEIGHTS_FILE, {"another": np.zeros(3)})
    with pytest.raises(UsageError, match="was changed after the training: run `hfv train"):
        evaluate_runs([out], folder, out=tmp_path / "results")
    assert not (tmp_path / "results").exists()  # no floor was trained before
    assert main(["train", name, *where, "--out", str(out), "--resume"]) == DONE
    assert (out / WEIGHTS_FILE).read_bytes() == trained


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("[]", "unsupported operand"),
        ('{"facts": null}', "specification: field required"),
        ('{"specification": {"target": "both"}}', "specification.detector: field required"),
        ("{", "property name"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_damaged_description_of_a_run_is_named(wrong: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(wrong)
    with pytest.raises(UsageError, match=rf"run.json cannot be read \(.*{reason}.*\): train the detector again"):
        read_run(tmp_path)


def test_a_run_of_an_unknown_detector_is_named(folder: Path, workplace: Workplace, tmp_path: Path) -> None:
    train("chance", folder, values={}, out=tmp_path / "run", place=workplace)
    run = tmp_path / "run" / "run.json"
    run.write_text(run.read_text().replace('"chance"', '"of a later version"'))
    with pytest.raises(UsageError, match="there is no detector 'of a later version'"):
        evaluate_runs([tmp_path / "run"], folder, out=tmp_path / "out", place=workplace)


def test_weights_that_the_disk_cannot_hold_are_a_usage_error(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(UsageError, match=r"weights\.safetensors cannot be written .*: free space"):
            save_arrays(tmp_path / WEIGHTS_FILE, {"large": np.zeros(1 << 18)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("target", ["binary", "anomaly", "generator"])
def test_classes_that_were_changed_are_refused(target: str, folder: Path, tmp_path: Path) -> None:
    train("chance", folder, values={"target": target}, out=tmp_path)
    written = json.loads((tmp_path / "run.json").read_text())
    own = written["specification"]
    others = [{"classes": own["classes"][::-1]}, {"target": "binary" if target != "binary" else "anomaly"}]
    for changed in (*others, {"config": own["config"] | others[1]}):
        (tmp_path / "run.json").write_text(json.dumps(written | {"specification": own | changed}))
        with pytest.raises(
            UsageError, match=r"run.json cannot be read \(it names other classes .*: train the detector"
        ):
            read_run(tmp_path)
    if target == "generator":
        more = {name: sorted([*own[name], "another"]) for name in ("classes", "generators")}
        (tmp_path / "run.json").write_text(json.dumps(written | {"specification": own | more}))
        again: list[Callable[[], Outcome]] = [
            partial(evaluate_runs, [tmp_path], folder),
            partial(predict_clips, tmp_path, [folder]),
        ]
        for predict in again:
            with pytest.raises(UsageError, match=r"run.json names 3 classes, but .* 2: train"):
                predict()


def test_damaged_files_of_a_run_do_not_change_figures(folder: Path, workplace: Workplace, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    train("chance", folder, values={}, out=run)
    evaluate_runs([run], folder, out=out, place=workplace)
    expected = pd.read_parquet(out / "results.parquet")
    predictions = next((run / "predictions").glob("*.parquet"))
    table = pq.read_table(predictions)
    for damaged in (table.drop_columns(["p_real"]), pa.concat_tables([table, table])):
        pq.write_table(damaged.replace_schema_metadata(table.schema.metadata), predictions)
        evaluate_runs([run], folder, out=out, place=workplace)
        assert pd.read_parquet(out / "results.parquet").equals(expected)
    (run / "curve.parquet").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"curve.parquet is damaged .*: delete it"):
        train("chance", folder, values={}, out=run)
