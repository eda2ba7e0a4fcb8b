"""`hfv predict` applies a trained run to a user's own clips."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image

from hfv_builder.detectors import frame_images
from hfv_builder.detectors.answers import answers_of
from hfv_builder.detectors.base import Evidence
from hfv_builder.detectors.frames import even_frames
from hfv_builder.detectors.map_image import write_maps
from hfv_builder.detectors.metadata import Metadata
from hfv_builder.detectors.reader import Release
from hfv_builder.detectors.run_folder import read_run
from hfv_builder.detectors.saliency import gradient_maps
from hfv_builder.records import DONE, INTERRUPTED, METRICS, SOME_FAILED, Split, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.cli import main
from pipelines.detect import own_clips, own_scores
from pipelines.detect.given_clips import clips_in
from pipelines.detect.imports import import_predictions
from pipelines.detect.own_clips import predict_clips
from pipelines.detect.predict import predict
from pipelines.detect.prepare import Workplace
from pipelines.detect.train import train

QUICK: dict[str, dict[str, Any]] = {
    "clip-svm": {"frames": 3},
    "ft-clip": {"frames": 2, "frames_per_epoch": 1, "epochs": 1},
    "metadata": {},
    "prior": {},
}


@pytest.fixture(scope="module")
def runs(folder: Path, workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of each detector under its name, which tests must not change."""
    root = tmp_path_factory.mktemp("runs")
    for name, values in QUICK.items():
        train(name, folder, values=values | {"target": "anomaly"}, out=root / name, place=workplace)
    return root


@pytest.fixture
def own_clips_folder(folder: Path, tmp_path: Path) -> Path:
    """Return a folder with the clips of an evaluation set, a broken clip, and a text."""
    clips = Path(
        shutil.copytree(folder / "eval" / "kling", tmp_path / "my clips", ignore=lambda *_: {"metadata.parquet"})
    )
    (clips / "broken.mp4").write_bytes(b"no video")
    (clips / "read me.txt").write_text("mine")
    return clips


@pytest.mark.parametrize("name", ["clip-svm", "ft-clip", "metadata"])
def test_own_clips_have_the_probabilities_of_the_evaluation(
    name: str, runs: Path, own_clips_folder: Path, release: Release, workplace: Workplace, tmp_path: Path
) -> None:
    outcome = predict_clips(runs / name, [own_clips_folder], out=tmp_path / "out", keep=True, place=workplace)
    assert outcome.exit_code == SOME_FAILED
    answers = answers_of(read_run(runs / name))
    assert len(answers) == 6
    clips = {Path(clip["clip"]).name: clip for clip in outcome.summary["clips"]}
    assert len(clips) == 7
    broken = clips.pop("broken.mp4")
    assert broken["error"]
    assert broken["probabilities"] is None
    assert broken.keys() == next(iter(clips.values())).keys()
    assert "1 clip has no answer" in outcome.text
    assert "broken.mp4" in outcome.text
    expected = predict(read_run(runs / name), release, workplace).rows
    expected = expected[expected["set"].eq("kling") & expected["variant"].eq("")].set_index("clip_id")
    for file, clip in clips.items():
        four = [clip["probabilities"][label] for label in ("spatial", "appearance", "motion", "real")]
        np.testing.assert_allclose(
            four, expected.loc[clip_id(Path(file)), [f"p_{n}" for n in clip["probabilities"]]], atol=1e-5
        )
        digest = hashlib.sha256(Path(clip["clip"]).read_bytes()).hexdigest()[:16]
        assert answers[digest]["answer"] == clip["answer"]
        assert clip["answer"] == max(clip["probabilities"], key=clip["probabilities"].get)
        assert {len(clip["views"])} == {3 if name == "clip-svm" else 2 if name == "ft-clip" else 1}
        if name == "ft-clip":
            with Image.open(clip["image"]) as image:
                assert image.format == "WEBP"
                assert image.size[0] == image.size[1]  # two frames with their maps below
        else:
            assert clip["image"] is None


def test_a_clip_is_decoded_once(
    runs: Path, own_clips_folder: Path, workplace: Workplace, tmp_path: Path, monkeypatch: Any
) -> None:
    clip = next(own_clips_folder.rglob("kling*.mp4"))
    clip = clip.rename(clip.with_name("é" * 125 + ".mp4"))  # the longest name that a file can have
    decoded: list[Path] = []

    def recording_frames(path: Path, count: int) -> Iterator[Any]:
        decoded.append(path)
        return even_frames(path, count)

    monkeypatch.setattr(frame_images, "even_frames", recording_frames)
    outcome = predict_clips(runs / "ft-clip", [clip, clip], out=tmp_path / "out", place=workplace)
    assert outcome.exit_code == DONE
    assert Path(outcome.summary["clips"][0]["image"]).is_file()
    assert decoded == [clip]


def test_prior_uses_scores_of_manifests_or_names_missing_ones(
    runs: Path, own_clips_folder: Path, release: Release, workplace: Workplace, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="prior looks at scores alone, and the manifests have none of these clips"):
        predict_clips(runs / "prior", [own_clips_folder], place=workplace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_scores, "file_sha256", _denied)
        with pytest.raises(UsageError, match="have none of these clips"):
            predict_clips(runs / "prior", [own_clips_folder], place=workplace)
    run = read_run(runs / "prior")
    of_paper = replace(run, specification=replace(run.specification, profile="paper"), facts={})
    with pytest.raises(UsageError, match=r"was trained on scores of paper, and those of small-1\.0\.0 are of lite"):
        predict(of_paper, release, workplace)
    manifests = Manifests(tmp_path / "manifests")
    every = clips_in([own_clips_folder])
    same = Path(os.path.relpath(every[0]))
    assert clips_in([same, own_clips_folder]) == [same, *every[1:]]
    paths = sorted(path for path in every if path.name != "broken.mp4")
    rows = release.clips(Split.TEST).set_index("clip_id")
    ids = {path: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in paths}
    for metric in METRICS:
        scores = [
            dict.fromkeys(SCORES.schema.names)
            | {"clip_id": ids[path], "score": rows[metric.value][clip_id(path)], "status": "ok"}
            for path in paths[1:]
        ]
        table = pa.Table.from_pylist(scores, schema=SCORES.schema)
        manifests.replace(SCORES, [table], profile="lite", metric=metric.value, generator="kling")
    row = dict.fromkeys(CLIPS.schema.names) | {"clip_id": "0", "generator": "kling", "status": "ok", "is_real": False}
    manifests.replace(CLIPS, [pa.Table.from_pylist([row], schema=CLIPS.schema)], generator="kling")
    with pytest.raises(UsageError, match="`hfv score --profile paper`"):
        own_scores.own_scores(manifests, paths, of_paper.specification)
    outcome = predict_clips(runs / "prior", paths, place=replace(workplace, manifests=manifests))
    assert outcome.exit_code == SOME_FAILED
    first, *others = outcome.summary["clips"]
    assert first["error"] == "the manifests have no scores of it"
    assert [clip["answer"] for clip in others] == [str(release_label(rows, path)) for path in paths[1:]]


def _denied(path: Path) -> str:
    raise PermissionError(13, "Permission denied", str(path))


def clip_id(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def release_label(rows: pd.DataFrame, path: Path) -> str:
    return ("spatial", "appearance", "motion", "real")[int(rows["label"][clip_id(path)])]


def test_missing_clips_and_runs_are_usage_errors(
    runs: Path,
    own_clips_folder: Path,
    folder: Path,
    workplace: Workplace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match="does not exist: give files of clips"):
        predict_clips(runs / "clip-svm", [own_clips_folder / "none.mp4"], place=workplace)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there is no clip in"):
        predict_clips(runs / "clip-svm", [tmp_path / "empty"], place=workplace)
    with pytest.raises(UsageError, match="is not a run: train one"):
        predict_clips(own_clips_folder, [own_clips_folder], place=workplace)
    (tmp_path / "theirs.csv").write_text("clip_id,p_real\n0000000000000015,0.5\n")
    import_predictions("theirs", tmp_path / "theirs.csv", folder, out=tmp_path / "theirs")
    with pytest.raises(UsageError, match="holds imported predictions, not a detector"):
        predict_clips(tmp_path / "theirs", [own_clips_folder], place=workplace)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UsageError, match="is read-only: leave out --keep"):
        predict_clips(runs / "clip-svm", [own_clips_folder], keep=True, place=workplace)


def test_predict_prints_text_or_json(
    runs: Path, own_clips_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", str(runs / "metadata"), str(own_clips_folder), "--manifests", str(tmp_path / "none")]
    assert main(command) == SOME_FAILED
    assert "spatial" in capsys.readouterr().out
    assert main([*command, "--json", "--out", str(tmp_path / "out")]) == SOME_FAILED
    summary = json.loads(capsys.readouterr().out)
    assert summary["classes"] == ["spatial", "appearance", "motion", "real"]
    assert not (tmp_path / "out").exists()  # the run draws no maps
    assert main(["predict", str(runs / "metadata"), str(tmp_path / "x.mp4")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_probabilities_that_are_no_numbers_are_no_answer(
    runs: Path, own_clips_folder: Path, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Metadata, "predict", lambda self, samples: np.full((len(samples.rows), 4), np.nan))
    outcome = predict_clips(runs / "metadata", [next(own_clips_folder.rglob("kling*.mp4"))], place=workplace)
    assert outcome.exit_code == SOME_FAILED
    assert outcome.summary["clips"][0]["answer"] is None
    assert "gives no numbers" in outcome.text


def test_an_interrupted_prediction_keeps_its_answers(
    runs: Path,
    own_clips_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = shutil.copytree(runs / "metadata", tmp_path / "run", ignore=lambda *_: {"predictions"})
    answers = iter([np.full((1, 4), 0.25)])

    def predict_until_interrupted(self: Metadata, samples: Any) -> Any:
        for answer in answers:
            return answer
        raise KeyboardInterrupt

    kept: list[int] = []
    keep = own_clips._keep

    def recording_keep(run: Any, answers: Any) -> None:
        kept.append(len(answers))
        keep(run, answers)

    monkeypatch.setattr(Metadata, "predict", predict_until_interrupted)
    monkeypatch.setattr(own_clips, "EVERY_S", 0.0)
    monkeypatch.setattr(own_clips, "_keep", recording_keep)
    clips = sorted(map(str, own_clips_folder.rglob("kling*.mp4")))
    assert main(["predict", str(run), *clips, "--keep"]) == INTERRUPTED
    assert "interrupted; only answers of --keep are stored" in capsys.readouterr().err
    assert len(answers_of(read_run(Path(run)))) == 1
    assert kept == [1, 0]  # after each clip, here, and at the end


def test_a_row_reports_agreement_of_views_and_weight_of_branches() -> None:
    views = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
    evidence = Evidence(probabilities=views.mean(axis=0), views=views, view="view", fusion=0.25)
    row = own_clips._row(Path("a.mp4"), evidence, ("fake", "real"))
    assert row == {
        "clip": "a.mp4",
        "answer": "fake",
        "fake": "70.0",
        "real": "30.0",
        "views that agree": "2 of 3",
        "video branch": "0.25",
    }


def test_maps_are_large_where_the_output_depends_on_pixels(tmp_path: Path) -> None:
    images = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0)) + 0.1
    maps = gradient_maps(lambda inputs: (inputs[:, :, 40:56, 8:24] ** 2).sum(), images)
    assert maps.shape == (2, 64, 48)
    assert maps[:, 44:52, 12:20].min() > 0.3
    assert maps[:, :30].max() < 1e-6
    joined = gradient_maps(lambda inputs: inputs[:, 1].sum(), images[None])  # the second frame of one clip
    assert joined.shape == (2, 64, 48)
    assert joined[0].max() == 0
    assert joined[1].max() == 1
    frames = np.full((9, 64, 48, 3), 128, np.uint8)
    write_maps(tmp_path / "a.webp", frames, np.repeat(maps[:1], 9, axis=0))
    with Image.open(tmp_path / "a.webp") as image:
        drawn = np.asarray(image.convert("RGB"), int)
    assert drawn.shape[:2] == (4 * 68 - 4, 8 * 52 - 4)
    map_of_first = drawn[68 : 68 + 64, :48]
    assert abs(drawn[:64, :48] - 128).max() < 12
    assert abs(map_of_first[46:50, 14:18] - 128).max() > 60
