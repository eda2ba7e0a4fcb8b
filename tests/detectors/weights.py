"""A tiny checkpoint of CLIP in the true format, with a text tower that knows all tokens."""

import json
from pathlib import Path

import torch

from hfv_builder.backends.weights import PINS, WeightsDir
from tests import checkpoints

CONFIG = checkpoints.CLIP_TINY | {
    "embed_dim": 32,
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
    "quick_gelu": True,
}


def tiny_clip(root: Path) -> WeightsDir:
    """Write the checkpoint, and give the store that finds it."""
    from open_clip import CLIP
    from safetensors.torch import save_file

    folder = root / "clip"
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIP(**CONFIG)
    checkpoints._sharpen(model.visual)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return WeightsDir(root=root, pins={**PINS, "clip": checkpoints.repinned(folder, "clip")})
