"""Checkpoints of random weights in the published file formats, for tests and benchmarks without downloads.

They are tiny or of the true size, and loaded by the code that loads the published ones. RAFT has only its true size,
except in `slim.py`.
"""

import atexit
import dataclasses
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from hfv_builder.backends.specs import File
from hfv_builder.backends.weights import PINS, WeightsDir
from hfv_builder.storage.checksum import file_sha256

CLIP_TINY: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 1, "layers": 1},
}
CLIP_TRUE = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
}
DINOV2_TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56}
DEPTH_PRO = {"tiny": (16, 2, 2, 32), "reduced": (384, 6, 6, 192), "true": (1024, 24, 16, 384)}
"""Size: width, layers, heads and pixels per side of the transformers in Depth Pro."""
SHARP = 3.0
"""Factor of all matrices of the embedding models. With the usual random weights every image has nearly the same vector,
and only rounding would differ. With this factor the vectors of a clip differ as much as those of trained models."""
CALM = 0.02
"""Factor of the weights of RAFT's last layer. Without it random flow is so large that all pixels count as occluded."""

SIZES = {"depth_pro": "tiny", "clip": "tiny", "dinov2": "tiny", "raft_small": "true", "raft_large": "true"}


@functools.cache
def tiny_store() -> WeightsDir:
    """Return a directory of random weights for every learnt backend, in the sizes of `SIZES`."""
    root = Path(tempfile.mkdtemp(prefix="hfv-weights-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return make(root, SIZES)


def make(root: Path, models: dict[str, str], *, seed: int = 0) -> WeightsDir:
    """Write the checkpoints of some models, `{"clip": "tiny", "dinov2": "true"}`, and return their weights directory.

    Its pins are the published ones, with the hashes of the files written.
    """
    writers = {"clip": clip, "dinov2": dinov2}
    pins = dict(PINS)
    for model, size in models.items():
        folder = root / model
        folder.mkdir(parents=True, exist_ok=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if model == "depth_pro":
                depth_pro(folder, size)
            elif model in writers:
                writers[model](folder, tiny=size == "tiny")
            else:
                raft(folder, model)
        pins[model] = repinned(folder, model)
    return WeightsDir(root=root, pins=pins)


def repinned(folder: Path, model: str) -> Any:
    """Return the published pin of the model with the hashes of the files in the folder."""
    files = [File(name=file.name, sha256=file_sha256(folder / file.name)) for file in PINS[model].files]
    return dataclasses.replace(PINS[model], revision="random", files=tuple(files))


def depth_pro(folder: Path, size: str) -> None:
    """Write a directory in the format of `apple/DepthPro-hf`, of the size `tiny`, `reduced` or `true`."""
    from transformers import DepthProConfig, DepthProForDepthEstimation

    hidden, layers, heads, side = DEPTH_PRO[size]
    encoder = {
        "model_type": "dinov2",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": side,
        "patch_size": 16,
        "use_mask_token": False,
    }
    sizes: dict[str, dict[str, Any]] = {
        "tiny": {
            "fusion_hidden_size": 16,
            "patch_size": 32,
            "intermediate_hook_ids": [1, 0],
            "intermediate_feature_dims": [16, 16],
            "scaled_images_feature_dims": [16, 16, 16],
            "num_fov_head_layers": 2,
        },
        "reduced": {
            "fusion_hidden_size": 64,
            "patch_size": 192,
            "intermediate_hook_ids": [3, 1],
            "intermediate_feature_dims": [64, 64],
            "scaled_images_feature_dims": [256, 256, 128],
        },
        "true": {},
    }
    config = DepthProConfig(
        **sizes[size],
        use_fov_model=True,
        image_model_config=dict(encoder),
        patch_model_config=dict(encoder),
        fov_model_config=dict(encoder),
    )
    model: Any = DepthProForDepthEstimation(config)
    with torch.no_grad():
        # Without it random depths are clamped to zero, where a map has no structure.
        model.head.layers[-2].bias.fill_(0.5)
    model.half().save_pretrained(folder)


def dinov2(folder: Path, *, tiny: bool) -> None:
    """Write a directory in the format of `facebook/dinov2-base`."""
    from transformers import Dinov2Config, Dinov2Model

    small: dict[str, Any] = DINOV2_TINY if tiny else {}
    model = Dinov2Model(Dinov2Config(**{"image_size": 518, "patch_size": 14, **small}))
    _sharpen(model)
    model.save_pretrained(folder)


def clip(folder: Path, *, tiny: bool) -> None:
    """Write a directory in the format of `timm/vit_base_patch32_clip_224.openai`."""
    from open_clip import CLIP
    from safetensors.torch import save_file

    model_config = {**(CLIP_TINY if tiny else CLIP_TRUE), "quick_gelu": True}
    configuration = {
        "model_cfg": model_config,
        "preprocess_cfg": {
            "mean": [0.48145466, 0.4578275, 0.40821073],
            "std": [0.26862954, 0.26130258, 0.27577711],
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    (folder / "open_clip_config.json").write_text(json.dumps(configuration))
    model = CLIP(**model_config)
    _sharpen(model.visual)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


def _sharpen(model: torch.nn.Module) -> None:
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(SHARP)


def raft(folder: Path, model: str) -> None:
    """Write a file with the name and format that torchvision publishes."""
    from torchvision.models import optical_flow

    network = getattr(optical_flow, model)(weights=None)
    with torch.no_grad():
        network.update_block.flow_head.conv2.weight.mul_(CALM)
        network.update_block.flow_head.conv2.bias.zero_()
    torch.save(network.state_dict(), folder / PINS[model].files[0].name)
