"""The compared detectors learn visible anomalies, and nothing from shuffled labels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.augment import blur_or_compress, random_crop
from hfv_builder.detectors.base import Fitting, Samples, Surroundings
from hfv_builder.detectors.network_detector import Array, NetworkDetector
from hfv_builder.detectors.registry import DETECTORS, configure, create
from hfv_builder.detectors.timesformer import parts
from hfv_builder.detectors.uni_fd import UniFd
from hfv_builder.records import Label
from hfv_builder.release.operations import compressed
from tests.detectors.sample import COLOURS

SIDE, FRAMES, CLIPS = 36, 2, 8
SMALL: dict[str, dict[str, object]] = {
    "uni-fd": {"rate": 0.01, "epochs": 40, "copies": 1, "batch": 32},
    "cnndet": {"layers": (1, 1, 1, 1), "channels": (4, 4, 4, 4), "rate": 0.01, "epochs": 8},
    "timesformer": {"width": 32, "depth": 1, "heads": 2, "together": 2, "patch": 8, "rate": 0.05, "epochs": 15},
    "f3net": {"width": 91, "middle": 1, "rate": 0.1, "epochs": 5},
}
SHARED = {"pretrained": False, "side": 32, "resized": SIDE, "batch": 16, "views_per_epoch": 2, "frames": FRAMES}


def clip_with_anomaly(label: int, number: int, side: int) -> Array:
    """Return a clip of a figure on noise with a visible anomaly: (FRAMES, 3, side, side) uint8.

    A spatial anomaly is a bar across the figure, an appearance anomaly a change of colour, a motion anomaly a jump.
    """
    rng = np.random.default_rng([label, number])
    frames = []
    for index in range(FRAMES):
        frame = rng.integers(90, 130, (side, side, 3)).astype(np.uint8)
        left = side // 8 + int(rng.integers(4))
        colour = COLOURS[3]
        if label == Label.APPEARANCE:
            colour = COLOURS[index % 3]
        if label == Label.MOTION:
            left = (left + side // 2 * (index % 2)) % (side - side // 3)
            cv2.line(frame, (0, side // 8), (side, side // 8), (255, 255, 255), side // 8)
        cv2.rectangle(frame, (left, side // 4), (left + side // 4, side - side // 8), colour, -1)
        if label == Label.SPATIAL:
            cv2.rectangle(frame, (0, side // 2), (side, side // 2 + side // 5), (20, 20, 20), -1)
        frames.append(frame.transpose(2, 0, 1))
    return np.stack(frames)


def make_detector(name: str, weights: WeightsDir, *, share: float = 1) -> tuple[NetworkDetector[Any], int]:
    """Return a small detector with this share of its epochs, and the side of the frames that its extractor gives."""
    surroundings = Surroundings(classes=tuple(map(str, Label)), device="cpu", weights=weights, is_lite=True)
    fields = configure(name, {}, name).__dataclass_fields__
    values = {key: value for key, value in (SHARED | SMALL[name]).items() if key in fields}
    values["epochs"] = int(share * int(str(values["epochs"])))
    detector = create(name, configure(name, values, name), surroundings)
    assert isinstance(detector, NetworkDetector)
    return detector, SIDE if "resized" in fields else 32


def samples(detector: NetworkDetector[Any], side: int, start: int, count: int) -> Samples:
    classes = np.repeat(np.arange(4), count)
    features = [clip_with_anomaly(int(label), start + number, side) for number, label in enumerate(classes)]
    if isinstance(detector, UniFd):
        features = [np.stack([detector._clip.embed(frames)] * 2) for frames in features]
    return Samples(rows=pd.DataFrame(index=range(len(classes))), features=features, classes=classes)


@pytest.mark.parametrize("name", SMALL)
def test_networks_learn_visible_anomalies_but_no_shuffled_labels(
    name: str, weights: WeightsDir, tmp_path: Path
) -> None:
    chances = []
    for shuffled in (False, True):
        detector, side = make_detector(name, weights, share=0.5 if shuffled else 1)
        train, val, test = (samples(detector, side, 100 * part, count) for part, count in enumerate((CLIPS, 2, 4)))
        if shuffled:  # every class has every label equally often
            train = replace(train, classes=np.tile(np.arange(4), CLIPS))
            val = replace(val, classes=np.roll(val.classes, 1))
        (tmp_path / str(shuffled)).mkdir()
        curve = detector.fit(train, val, Fitting(folder=tmp_path / str(shuffled)))
        probabilities = detector.predict(test)
        chances.append(float(probabilities[np.arange(len(test.classes)), test.classes].mean()))
        if not shuffled:
            assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
            assert (probabilities.argmax(axis=1) == test.classes).mean() > 0.7
    assert chances[0] > 0.35
    assert chances[1] == pytest.approx(0.25, abs=0.1)


def test_the_same_seed_gives_the_same_weights(weights: WeightsDir, tmp_path: Path) -> None:
    for file in ("a", "b"):
        detector, side = make_detector("cnndet", weights, share=0.25)
        train = samples(detector, side, 0, 2)
        (tmp_path / f"{file} state").mkdir()
        detector.fit(train, train, Fitting(folder=tmp_path / f"{file} state"))
        detector.save(tmp_path / file)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_views_take_frames_of_segments() -> None:
    assert parts(16, 8, np.full(8, 0.25)).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert parts(16, 8, np.full(8, 0.75)).tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert parts(3, 8, np.full(8, 0.5)).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert parts(1, 8, np.full(8, 0.999)).max() == 0
    detector, side = make_detector("timesformer", WeightsDir())
    clip = np.concatenate([clip_with_anomaly(0, number, side) for number in range(2)])
    views = detector.views(clip)
    assert views.shape == (2, 2, 3, 32, 32)
    np.testing.assert_array_equal(views[1], clip[[1, 3], :, 2:34, 2:34])
    assert detector.views(clip[:1]).shape == (1, 2, 3, 32, 32)
    for number in range(20):
        drawn = detector.draw(clip, np.random.default_rng(number))
        assert drawn.shape == (2, 3, 32, 32)


def test_blur_compression_and_crops_change_frames() -> None:
    image = clip_with_anomaly(0, 0, 64)
    kinds = set()
    for number in range(40):
        changed = blur_or_compress(image, np.random.default_rng(number), share=0.5)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        repeated = blur_or_compress(image, np.random.default_rng(number), share=0.5)
        np.testing.assert_array_equal(changed, repeated)
        kinds.add(bool((changed == image).all()))
    assert kinds == {True, False}
    np.testing.assert_array_equal(blur_or_compress(image, np.random.default_rng(0), share=0), image)
    colour = np.full((32, 32, 3), (200, 40, 40), np.uint8)
    assert abs(compressed(colour, 90).astype(int) - colour).max() < 6  # red stays red
    assert abs(compressed(image[0].transpose(1, 2, 0), 30).astype(int) - image[0].transpose(1, 2, 0)).mean() > 1
    crops = {random_crop(image, 60, np.random.default_rng(number)).tobytes() for number in range(30)}
    assert len(crops) > 10


def test_schedules_are_those_of_the_papers(weights: WeightsDir) -> None:
    rates = {}
    for name in ("uni-fd", "cnndet", "timesformer", "f3net"):
        surroundings = Surroundings(classes=("fake", "real"), device="cpu", weights=weights, is_lite=True)
        surroundings = replace(surroundings, is_trained=True)  # no published weights are needed
        detector = create(name, configure(name, {}, name), surroundings)
        assert isinstance(detector, NetworkDetector)
        rates[name] = detector.schedule()
        assert DETECTORS[name].has_epochs
    without_progress = [{"epoch": 1.0, "loss": 1.0, "val_accuracy": 0.5}] * 6
    for name in ("uni-fd", "cnndet"):
        assert [rates[name].rate_at(0, []), rates[name].rate_at(6, without_progress)] == pytest.approx([1e-4, 1e-5])
        assert not rates[name].has_ended(without_progress * 2)
        assert rates[name].has_ended(without_progress * 3)
    step_rates = [rates["timesformer"].rate_at(epochs_done, []) for epochs_done in (1, 11, 11.5, 14.5)]
    assert step_rates == pytest.approx([0.005, 0.005, 5e-4, 5e-5])
    assert rates["timesformer"].epochs == 15
    assert rates["uni-fd"].optimizer is torch.optim.AdamW
    assert rates["cnndet"].optimizer is torch.optim.Adam
