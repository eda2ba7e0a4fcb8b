"""SigLIP by open_clip and Jina by transformers: tiny models in the true formats are loaded by name."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hfv_builder.backends.weights import PINS, WeightsDir
from hfv_builder.detectors import towers
from hfv_builder.detectors.embeddings import FrameEmbeddings
from hfv_builder.records import UsageError
from tests.conftest import moving_square, write_clip

SIDE = 32


def open_clip_folder(folder: Path) -> None:
    """A folder as `timm/ViT-B-16-SigLIP` is one."""
    from open_clip import CLIP
    from safetensors.torch import save_file

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": SIDE, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 1, "layers": 1},
    }
    mean = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": mean}))
    save_file(CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")


def transformers_folder(folder: Path) -> None:
    """A folder of a two-tower model with the weights and the processor in transformers' format."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = SiglipConfig(
        text_config=small | {"vocab_size": 32, "max_position_embeddings": 8, "projection_size": 16},
        vision_config=small | {"image_size": SIDE, "patch_size": 16},
    )
    SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


@pytest.mark.parametrize(("name", "write"), [("siglip", open_clip_folder), ("jina", transformers_folder)])
def test_a_tower_by_name(name: str, write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    write(tmp_path / name)  # type: ignore[operator]
    own = towers.TOWERS["jina"]
    free = towers.Tower(library=own.library, source=own.source, weights=own.weights)  # its tiny model has no code
    monkeypatch.setattr(towers, "TOWERS", {**towers.TOWERS, "jina": free})
    clip = write_clip(tmp_path / "clip.mp4", moving_square(6))
    extractor = FrameEmbeddings(name, "cpu", WeightsDir(root=tmp_path, pins=PINS), count=3)
    vectors = extractor.extract(clip)
    assert vectors.shape == (3, 16)
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=2e-3)
    assert name in extractor.fingerprint
    weights = tmp_path / name / own.weights if name == "jina" else tmp_path / name / "open_clip_model.safetensors"
    weights.write_bytes(b"damaged")
    damaged = FrameEmbeddings(name, "cpu", WeightsDir(root=tmp_path, pins=PINS), count=3)
    assert damaged.fingerprint != extractor.fingerprint
    with pytest.raises(UsageError, match="cannot be read"):
        damaged.extract(clip)
