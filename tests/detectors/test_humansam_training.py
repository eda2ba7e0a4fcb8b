"""Training of `humansam`: kills and resuming, learning, and use of published weights."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from torch import Tensor

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.base import Fitting, Samples
from hfv_builder.detectors.humansam import HumanSam
from hfv_builder.detectors.reader import Release, read_release
from hfv_builder.detectors.training_state import STATE
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256
from pipelines.detect.prepare import Workplace
from tests.detectors.humansam_material import detector, samples
from tests.detectors.test_detectors import make_detector
from tests.detectors.weights import BACKBONE
from tests.killed import Killed

# Training.

QUICK: dict[str, Any] = {"epochs": 2, "warmup": 1.0, "rate": 1e-3, "drop_path": 0.2, "operations": 2, "erasing": 0.5}


def test_killed_training_resumes_to_the_same_weights(
    weights: WeightsDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, survived: int = 99) -> bytes:
        losses = 0
        humansam = detector(weights, **QUICK)
        schedule, loss = humansam._schedule, humansam._loss

        def loss_or_kill(*arguments: Any) -> Tensor:
            nonlocal losses
            losses += 1
            if losses > survived:
                raise Killed
            return loss(*arguments)

        monkeypatch.setattr(humansam, "_schedule", lambda network: replace(schedule(network), state_seconds=0))
        monkeypatch.setattr(humansam, "_loss", loss_or_kill)
        humansam.fit(samples(12), samples(4), Fitting(folder=tmp_path / name))
        humansam.save(tmp_path / name / "weights.safetensors")
        return (tmp_path / name / "weights.safetensors").read_bytes()

    uninterrupted = run("whole")
    for _ in range(2):  # in the first and the second of two epochs of three steps
        with pytest.raises(Killed):
            run("killed", survived=2)
        assert (tmp_path / "killed" / STATE).is_file()
    assert run("killed", survived=2) == uninterrupted


def square_frames(label: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return frames of a drifting square, (8, 3, 28, 28) uint8; with label 1 it changes its colour halfway."""
    images = np.full((8, 3, 28, 28), rng.integers(0, 60), np.uint8)
    colours = rng.choice(np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220]]), 2, replace=False)
    top, left, down, right = *rng.integers(0, 10, 2), *rng.uniform(0, 1, 2)
    for time in range(8):
        y, x = int(top + down * time), int(left + right * time)
        colour = colours[1 if label == 1 and time >= 4 else 0]
        images[time, :, y : y + 10, x : x + 10] = colour[:, None, None]
    return images


def square_samples(count: int, seed: int, *, shuffled: bool = False) -> Samples:
    """Return as many forged as real clips, with random depth; `shuffled` permutes the labels."""
    rng = np.random.default_rng(seed)
    labels = np.array([1, 3] * (count // 2))
    images = [square_frames(label, rng) for label in labels]
    classes = (labels == 3).astype(np.int64)
    rows = pd.DataFrame({"label": labels, "r_hat": np.where(labels == 3, 0.0, 0.5)})
    further = ([rng.normal(0, 1, 16).astype(np.float32) for _ in labels],)
    return Samples(
        rows=rows, features=images, further=further, classes=rng.permutation(classes) if shuffled else classes
    )


@pytest.mark.parametrize("shuffled", [False, True])
def test_training_learns_visible_anomalies_but_no_shuffled_labels(
    shuffled: bool, weights: WeightsDir, tmp_path: Path
) -> None:
    values = {"target": "binary", "epochs": 10, "warmup": 1.0, "rate": 3e-3, "layer_decay": 1.0, "batch": 8}
    humansam = detector(weights, **values, views=1, least_crop=0.6, temporal_views=1, spatial_views=1)
    curve = humansam.fit(square_samples(64, 0, shuffled=shuffled), square_samples(0, 1), Fitting(folder=tmp_path))
    test = square_samples(100, 2)
    correct = int((humansam.predict(test).argmax(axis=1) == test.classes).sum())
    interval = binomtest(correct, 100).proportion_ci()
    if shuffled:
        assert 0.3 < correct / 100 < 0.7
    else:
        assert interval.low > 0.5
        assert curve[-1]["loss"] < curve[0]["loss"]


# In the harness.


def test_frames_that_are_not_cached_are_decoded_in_training(
    release: Release, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {"depth": False, "cache_frames": False, "epochs": 1}
    humansam, _, train, test = make_detector("humansam", release, workplace, **values)
    decoded: list[int] = []
    features_type: Any = type(train.features)
    read: Callable[..., Any] = features_type.__getitem__

    def recording_read(self: Any, index: int) -> Any:
        if self is train.features:
            decoded.append(index)
        return read(self, index)

    monkeypatch.setattr(features_type, "__getitem__", recording_read)
    humansam.fit(train, test, Fitting(folder=tmp_path))
    assert sorted(decoded) == [*range(16)]
    assert train.features[0].shape == (5, 3, 32, 48)
    assert humansam.predict(test).shape == (16, 4)
    copy = Path(shutil.copytree(release.folder, tmp_path / "r"))
    next((copy / "eval" / "kling").rglob("*.mp4")).write_bytes(b"no video")
    (copy / "SHA256SUMS").unlink()
    assert len(make_detector("humansam", read_release(copy), workplace, **values)[3].rows) == 15
    broken: Any = replace(train.features, items=["data/train/none.mp4"])  # type: ignore[type-var]
    with pytest.raises(UsageError, match=r"none\.mp4 cannot be read .* set cache_frames = true"):
        broken[0]


def test_a_trained_detector_needs_no_published_weights(weights: WeightsDir, tmp_path: Path) -> None:
    humansam = detector(weights, depth=False, epochs=1)
    humansam.fit(samples(4), samples(0), Fitting(folder=tmp_path))
    humansam.save(tmp_path / "weights.safetensors")
    surroundings = replace(humansam._surroundings, weights=WeightsDir(root=tmp_path / "none"), is_trained=True)
    loaded = HumanSam(humansam._config, surroundings)
    loaded.load(tmp_path / "weights.safetensors")
    assert loaded._backbone.origin == file_sha256(weights.root / BACKBONE / "tiny.bin")
    assert (loaded.predict(samples(3)) == humansam.predict(samples(3))).all()


def test_missing_weights_and_unknown_backbones_are_refused(
    release: Release, workplace: Workplace, tmp_path: Path
) -> None:
    without_weights = replace(workplace, weights=WeightsDir(root=tmp_path))
    with pytest.raises(UsageError, match="has no weights of internvideo2-l: put one file there"):
        make_detector("humansam", release, without_weights, backbone="internvideo2-l")
    with pytest.raises(UsageError, match="no backbone 'resnet'"):
        make_detector("humansam", release, workplace, backbone="resnet")
