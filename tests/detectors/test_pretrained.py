"""Tiny weights in the published formats are loaded by the code that loads the published ones."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.arrays import load_arrays
from hfv_builder.detectors.base import Fitting, Samples, Surroundings
from hfv_builder.detectors.frozen_clip import FrozenClip
from hfv_builder.detectors.network_detector import NetworkDetector
from hfv_builder.detectors.pretrained import ORIGIN
from hfv_builder.detectors.registry import configure, create
from hfv_builder.detectors.xception import Xception
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256
from pipelines.detect.prepare import Workplace
from pipelines.detect.train import train
from tests.detectors.weights import tiny_clip

SMALL: dict[str, dict[str, object]] = {
    "cnndet": {"layers": (1, 1, 1, 1), "channels": (4, 4, 4, 4)},
    "timesformer": {"side": 32, "width": 16, "depth": 1, "heads": 2, "together": 2},
    "f3net": {"side": 32, "width": 32, "middle": 1},
}
State = dict[str, Tensor]


def resnet50(folder: Path) -> tuple[Path, State]:
    """Write a folder in the format of `timm/resnet50.tv_in1k`; return its file and tensors."""
    from timm.models.resnet import Bottleneck, ResNet

    block: Any = Bottleneck
    state = ResNet(block, (1, 1, 1, 1), channels=(4, 4, 4, 4)).state_dict()
    save_file(state, folder / "model.safetensors")
    return folder / "model.safetensors", state


def xception(folder: Path) -> tuple[Path, State]:
    """Write the file of timm's Xception, a pickle in PyTorch's format before 1.6; return it and its tensors."""
    network = Xception(width=32, middle=1)
    state = network.state_dict() | {"fc.weight": torch.zeros(1000, network.features), "fc.bias": torch.zeros(1000)}
    state = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(state, folder / "xception-43020ad28.pth", _use_new_zipfile_serialization=False)
    return folder / "xception-43020ad28.pth", state


def timesformer(folder: Path) -> tuple[Path, State]:
    """Write a folder in the format of `facebook/timesformer-base-finetuned-ssv2`; return its file and tensors."""
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    config_type: Any = TimesformerConfig
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    network = TimesformerForVideoClassification(config_type(image_size=32, num_frames=2, num_labels=7, **small))
    network.save_pretrained(folder)
    return folder / "model.safetensors", network.state_dict()


FILES: dict[str, tuple[str, Callable[[Path], tuple[Path, State]], str]] = {
    "cnndet": ("resnet50", resnet50, "layer1.0.conv2.weight"),
    "timesformer": ("timesformer", timesformer, "timesformer.embeddings.position_embeddings"),
    "f3net": ("xception", xception, "block4.rep.1.pointwise.weight"),
}
"""Folder of the weights, the function that writes it, and the name of a tensor in it."""
PREFIXES = {"cnndet": ("",), "timesformer": ("model.",), "f3net": ("of_bands.", "of_statistics.")}
"""Prefixes of the tensors in the detector's network."""


def make_detector(name: str, root: Path, *, is_trained: bool = False, **values: object) -> NetworkDetector[Any]:
    """Return a small detector whose published weights are in a folder."""
    surroundings = Surroundings(
        classes=("spatial", "appearance", "motion", "real"),
        device="cpu",
        weights=WeightsDir(root=root),
        is_lite=True,
        is_trained=is_trained,
    )
    detector = create(name, configure(name, SMALL.get(name, {}) | values, name), surroundings)
    assert isinstance(detector, NetworkDetector)
    return detector


def start_network(name: str, root: Path) -> nn.Module:
    detector = make_detector(name, root)
    network = detector.build()
    detector.start(network)
    return network


def rewrite(path: Path, state: State) -> None:
    (torch.save if path.suffix in (".pth", ".bin") else save_file)(state, path)


@pytest.mark.parametrize("name", FILES)
def test_every_tensor_comes_from_the_file(name: str, tmp_path: Path) -> None:
    folder, write, tensor = FILES[name]
    with pytest.raises(UsageError, match=f"{folder}.* is missing: download it"):
        start_network(name, tmp_path)
    (tmp_path / folder).mkdir()
    torch.manual_seed(1)
    path, state = write(tmp_path / folder)
    loaded = start_network(name, tmp_path).state_dict()
    for key in state.keys() - {"conv1.weight" if name == "f3net" else ""}:
        if not key.startswith(("fc.", "classifier.")) and not key.endswith("num_batches_tracked"):
            for prefix in PREFIXES[name]:
                torch.testing.assert_close(loaded[prefix + key], state[key])
    for changed, sentence in (
        ({key: value for key, value in state.items() if key != tensor}, f"it has no .*{tensor.split('.')[-2]}"),
        (state | {tensor: torch.cat([state[tensor]] * 2)}, "do not fit the network .* is "),
        (state | {"more.weight": torch.zeros(1)}, "it has an unknown more.weight"),
    ):
        rewrite(path, changed)
        with pytest.raises(UsageError, match=sentence):
            start_network(name, tmp_path)
    path.write_bytes(b"damaged")
    with pytest.raises(UsageError, match="cannot be read"):
        start_network(name, tmp_path)


def test_a_trained_network_records_its_published_weights(tmp_path: Path) -> None:
    (tmp_path / "resnet50").mkdir()
    path, _ = resnet50(tmp_path / "resnet50")
    detector = make_detector("cnndet", tmp_path, epochs=1, side=32)
    clips = [np.zeros((1, 3, 36, 36), np.uint8)] * 4
    four = Samples(rows=pd.DataFrame(index=range(4)), features=clips, classes=np.arange(4))
    detector.fit(four, four, Fitting(folder=tmp_path))
    detector.save(tmp_path / "weights.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector, "_judged", lambda views: np.full((1, 4), np.nan))
        assert detector._accuracy(four) == 0
    single = make_detector("cnndet", tmp_path, epochs=1, side=32, batch=1)
    with pytest.raises(UsageError, match=r"single view, which cannot be normalised .* set batch to at least 2"):
        single.fit(four, four, Fitting(folder=tmp_path / "single"))
    digest = file_sha256(path)
    path.unlink()
    with pytest.raises(UsageError, match="is missing: download it"):
        make_detector("cnndet", tmp_path)
    loaded = make_detector("cnndet", tmp_path, is_trained=True, side=32)  # needs no published weights
    loaded.load(tmp_path / "weights.safetensors")
    assert load_arrays(tmp_path / "weights.safetensors")[ORIGIN].tobytes().decode() == digest
    assert (loaded.predict(four) == detector.predict(four)).all()


def test_a_run_that_started_from_other_weights_is_not_taken_for_this_one(
    folder: Path, workplace: Workplace, tmp_path: Path
) -> None:
    (tmp_path / "resnet50").mkdir()
    place = replace(workplace, weights=WeightsDir(root=tmp_path))

    def run() -> None:
        train(
            "cnndet",
            folder,
            values=SMALL["cnndet"] | {"epochs": 1, "side": 32, "resized": 36, "frames": 1, "views_per_epoch": 1},
            out=tmp_path / "run",
            place=place,
        )

    resnet50(tmp_path / "resnet50")
    run()
    run()  # is done
    torch.manual_seed(1)
    resnet50(tmp_path / "resnet50")
    with pytest.raises(UsageError, match="holds a run that differs in origin: give another --out"):
        run()


def test_first_layers_spread_the_weights_over_all_channels(tmp_path: Path) -> None:
    (tmp_path / "xception").mkdir()
    _, state = xception(tmp_path / "xception")
    network: Any = start_network("f3net", tmp_path)
    images = torch.rand(1, 3, 32, 32)
    expected = nn.functional.conv2d(images, state["conv1.weight"], stride=2)
    for branch, copies in ((network.of_bands, 4), (network.of_statistics, 2)):
        torch.testing.assert_close(branch.conv1(images.repeat(1, copies, 1, 1)), expected, atol=1e-5, rtol=1e-5)


def test_timesformer_reads_the_older_file_too(tmp_path: Path) -> None:
    (tmp_path / "timesformer").mkdir()
    path, state = timesformer(tmp_path / "timesformer")
    path.unlink()
    torch.save(state, path.with_name("pytorch_model.bin"))
    network: Any = start_network("timesformer", tmp_path)
    torch.testing.assert_close(network.model.timesformer.layernorm.weight, state["timesformer.layernorm.weight"])
    assert network.model.classifier.weight.shape == (4, 16)


def test_the_frozen_tower_equals_open_clips(tmp_path: Path) -> None:
    import open_clip

    tiny_clip(tmp_path)
    shutil.rmtree(tmp_path / "clip")
    clip = FrozenClip(tmp_path, "cpu")
    reference = open_clip.create_model(f"local-dir:{tmp_path / 'clip-l14'}").eval()
    images = torch.randint(0, 256, (2, 3, clip.side, clip.side), dtype=torch.uint8)
    with torch.inference_mode():
        expected = reference.encode_image(clip.prepared(images.numpy()))
    torch.testing.assert_close(torch.from_numpy(clip.embed(images.numpy())).float(), expected, atol=2e-3, rtol=2e-3)
    file = tmp_path / "clip-l14" / "open_clip_model.safetensors"
    state = load_file(file)
    revision = clip.revision
    save_file({key: value for key, value in state.items() if key != "visual.proj"}, file)
    other = FrozenClip(tmp_path, "cpu")
    assert other.revision != revision
    with pytest.raises(UsageError, match="it has no proj"):
        other.embed(images.numpy())
    (tmp_path / "clip-l14" / "open_clip_config.json").write_text('{"model_cfg": {}}')
    with pytest.raises(UsageError, match=r"cannot be read .*: download it again"):
        FrozenClip(tmp_path, "cpu")
    file.unlink()
    with pytest.raises(UsageError, match="hf download timm/vit_large_patch14_clip"):
        make_detector("uni-fd", tmp_path).extractors()
