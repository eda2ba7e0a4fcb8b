"""SigLIP by open_clip and Jina by timm: tiny models in the published formats are loaded by name."""

import dataclasses
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
    """Write a folder in the format of `timm/ViT-B-16-SigLIP`."""
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


TINY = {"img_size": SIDE, "embed_dim": 24, "depth": 2, "num_heads": 2, "ref_feat_shape": (2, 2), "num_classes": 16}
AUTHORS_NAMES = {
    "mlp.fc1_g": "mlp.w1",
    "mlp.fc1_x": "mlp.w2",
    "mlp.fc2": "mlp.w3",
    "mlp.norm": "mlp.ffn_ln",
    "attn.norm": "attn.inner_attn_ln",
}
"""Names of parameters in timm, with those in the files of EVA-CLIP's authors."""


def jina_folder(folder: Path) -> None:
    """Write a folder in the format of `jinaai/jina-clip-v1`: both towers in a file, with the names of their authors."""
    import timm
    from safetensors.torch import save_file

    stored = {"text_model.embeddings.weight": torch.zeros(4, 4), "logit_scale": torch.ones(1)}
    for name, value in timm.create_model(**towers.TOWERS["jina"].build).state_dict().items():
        for timm_name, authors_name in AUTHORS_NAMES.items():
            name = name.replace(timm_name, authors_name)
        stored[f"vision_model.{name}"] = value
    folder.mkdir()
    save_file(stored, folder / "model.safetensors")


@pytest.mark.parametrize(("name", "write"), [("siglip", open_clip_folder), ("jina", jina_folder)])
def test_a_tower_is_loaded_by_name(name: str, write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    tower = towers.TOWERS["jina"]
    small = dataclasses.replace(tower, build={**tower.build, **TINY})
    monkeypatch.setattr(towers, "TOWERS", {**towers.TOWERS, "jina": small})
    write(tmp_path / name)  # type: ignore[operator]
    clip = write_clip(tmp_path / "clip.mp4", moving_square(6))
    extractor = FrameEmbeddings(name, "cpu", WeightsDir(root=tmp_path, pins=PINS), count=3)
    vectors = extractor.extract(clip)
    assert vectors.shape == (3, 16)
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=2e-3)
    assert name in extractor.fingerprint
    weights = tmp_path / name / tower.weights if name == "jina" else tmp_path / name / "open_clip_model.safetensors"
    weights.write_bytes(b"damaged")
    damaged = FrameEmbeddings(name, "cpu", WeightsDir(root=tmp_path, pins=PINS), count=3)
    assert damaged.fingerprint != extractor.fingerprint
    with pytest.raises(UsageError, match="cannot be read"):
        damaged.extract(clip)


def test_a_file_of_another_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = towers.TOWERS["jina"]
    monkeypatch.setattr(towers, "TOWERS", {"jina": dataclasses.replace(tower, build={**tower.build, **TINY})})
    jina_folder(tmp_path / "jina")
    monkeypatch.setattr(
        towers, "TOWERS", {"jina": dataclasses.replace(tower, build={**tower.build, **TINY, "depth": 3})}
    )
    with pytest.raises(UsageError, match="does not hold eva02_base_patch16_clip_224"):
        towers.load_tower("jina", tmp_path / "jina", "cpu")
