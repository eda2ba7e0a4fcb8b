"""Detectors of people: scores of images, and errors for missing packages or weights."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfv_builder.backends.specs import File
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.video import Chunk
from hfv_builder.people import registry
from hfv_builder.people.base import People, chosen_frames, summed_up
from hfv_builder.people.specs import DETECTORS, PINS
from hfv_builder.people.watch import LONG_SIDE, PersonWatch, shrunk
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256
from tests.people.networks import pin_pose, pose_network


@pytest.fixture
def pose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsDir:
    """Return a weights directory with a tiny network as the light detector."""
    pin_pose(monkeypatch, pose_network(tmp_path / "pose" / "pose_detection.tflite"))
    return WeightsDir(root=tmp_path, pins=PINS)


@pytest.fixture(scope="module")
def rtdetr(tmp_path_factory: pytest.TempPathFactory) -> WeightsDir:
    """Return a weights directory with RT-DETR in the format of the hub, with random weights."""
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    folder = tmp_path_factory.mktemp("weights") / "rtdetr"
    residual: Any = RTDetrResNetConfig  # its types lack out_features
    backbone = residual(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    sizes: dict[str, Any] = {
        "encoder_hidden_dim": 16,
        "encoder_in_channels": [8, 8, 8],
        "encoder_ffn_dim": 16,
        "encoder_attention_heads": 2,
        "decoder_in_channels": [16, 16, 16],
        "d_model": 16,
        "decoder_ffn_dim": 16,
        "decoder_attention_heads": 2,
        "decoder_layers": 1,
        "num_queries": 5,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = RTDetrConfig(backbone_config=backbone, id2label={0: "person", 1: "swan"}, **sizes)
        model: Any = RTDetrForObjectDetection(config)
        for weight in model.parameters():
            if weight.ndim > 1:  # with the usual weights all images have nearly the same score
                weight.data.normal_(0, 0.5)
        model.save_pretrained(folder)
    files = tuple(File(name=file.name, sha256=file_sha256(folder / file.name)) for file in PINS["rtdetr"].files)
    return WeightsDir(root=folder.parent, pins={"rtdetr": dataclasses.replace(PINS["rtdetr"], files=files)})


def grey(level: int, height: int = 30, width: int = 40) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    return np.full((height, width, 3), level, np.uint8)


def test_the_light_detector_scores_letterboxed_images(pose: WeightsDir) -> None:
    model = registry.load("pose", pose)
    levels = (0, 100, 255)
    scores = model.scores(np.stack([grey(level) for level in levels]))
    expected = [1 / (1 + math.exp(-(level / 127.5 - 1))) for level in levels]
    assert scores == pytest.approx(expected, abs=1e-6)
    assert model.scores(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0,)


@pytest.mark.parametrize(("height", "width"), [(30, 40), (400, 100), (1, 500)])
def test_a_letterbox_keeps_the_shape_and_the_middle(height: int, width: int) -> None:
    from hfv_builder.people.pose import letterboxed

    boxed = letterboxed(grey(200, height, width), 224)
    rows, columns = (np.flatnonzero(boxed.any(axis=(other, 2))) for other in (1, 0))
    assert boxed.shape == (224, 224, 3)
    assert len(rows) == max(1, round(224 * height / max(height, width)))
    assert len(columns) == max(1, round(224 * width / max(height, width)))
    assert abs(rows[0] + rows[-1] - 223) <= 1
    assert abs(columns[0] + columns[-1] - 223) <= 1


def test_rtdetr_scores_each_image_by_itself(rtdetr: WeightsDir) -> None:
    model = registry.load("rtdetr", rtdetr)
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3)).astype(np.uint8)
    together = model.scores(images)
    assert together.dtype == np.float64
    assert ((together > 0) & (together < 1)).all()
    assert len(set(together.tolist())) == 3
    assert [model.scores(images[index : index + 1])[0] for index in range(3)] == together.tolist()


def test_rtdetr_without_a_class_for_persons_is_refused(rtdetr: WeightsDir, tmp_path: Path) -> None:
    from hfv_builder.people.rtdetr import load

    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((rtdetr.folder("rtdetr") / name).read_bytes())
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"person"', '"goose"'))
    with pytest.raises(UsageError, match="its id2label has no 'person'"):
        load(tmp_path)


def test_missing_weights_and_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WeightsDir(root=tmp_path, pins=PINS)
    for name, spec in DETECTORS.items():
        reason = registry.lack(name, store)
        assert reason is not None
        assert reason.endswith(f"is missing): run `hfv weights pull --profile {spec.profile}`")
        with pytest.raises(UsageError, match="lacks its weights"):
            registry.load(name, store)
    monkeypatch.setattr(
        registry, "missing_packages", lambda packages: [name for name in packages if name == "ai-edge-litert"]
    )
    assert registry.lack("pose", store) == (
        "the person detector pose needs ai-edge-litert: install with `pip install -e '.[person]'`"
    )


def test_damaged_weights_are_refused(pose: WeightsDir, tmp_path: Path) -> None:
    path = pose.folder("pose") / "pose_detection.tflite"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert registry.lack("pose", pose) is None  # only the size is compared before the file is used
    with pytest.raises(UsageError, match=r"pose_detection\.tflite is damaged"):
        registry.load("pose", pose)
    from hfv_builder.people.pose import load

    (tmp_path / "pose_detection.tflite").write_text("no network")
    with pytest.raises(UsageError, match="is no pose detector"):
        load(tmp_path)


def test_the_revision_names_the_detector_and_its_weights(pose: WeightsDir) -> None:
    result = registry.revision("pose", pose)
    assert result.startswith("pose mediapipe==0.10.21@05dc4a9e")
    assert registry.threshold(result) == DETECTORS["pose"].threshold
    assert registry.threshold("gone 1") == 0.5


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, ()), (1, (0,)), (3, (0, 1, 2)), (8, tuple(range(8))), (80, (5, 15, 25, 35, 45, 55, 65, 75))],
)
def test_frames_are_spread_over_the_clip(count: int, expected: tuple[int, ...]) -> None:
    assert chosen_frames(count) == expected


def test_a_clip_has_the_median_score_and_the_share_above_the_threshold() -> None:
    result = summed_up(np.array([0.1, 0.9, 0.50004, 0.49999]), 0.5, "pose 1")
    assert result == People(person=0.5, person_share=0.75, person_detector="pose 1")
    nothing = summed_up(np.zeros(0), 0.5, "pose 1")
    assert (nothing.person, nothing.person_share) == (None, None)


def test_frames_are_collected_while_a_clip_is_decoded(pose: WeightsDir) -> None:
    frames = np.stack([grey(level, 8, 8) for level in range(80)])
    chunks = [
        Chunk(rgb=frames[start : start + 30], index=np.arange(start, min(80, start + 30), dtype=np.int32))
        for start in (0, 30, 60)
    ]
    watch = PersonWatch(chunks, 80)
    assert [len(chunk.rgb) for chunk in watch] == [30, 30, 20]
    result = watch.compute(registry.load("pose", pose), "pose 1")
    assert result.person == pytest.approx(1 / (1 + math.exp(-(40 / 127.5 - 1))), abs=1e-3)


def test_frames_are_shrunk_to_square_pixels() -> None:
    assert shrunk(grey(9, 100, 100), 2.0).shape == (100, 200, 3)
    assert shrunk(grey(9, 1000, 2000), 1.0).shape == (LONG_SIDE // 2, LONG_SIDE, 3)
    assert shrunk(grey(9, 90, 160), 1.0).shape == (90, 160, 3)
