"""Tiny checkpoints in the published formats: CLIP with the full vocabulary, Depth Pro, and InternVideo2."""

import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from hfv_builder.backends.weights import PINS, WeightsDir
from hfv_builder.detectors.video_transformer import Size
from tests import checkpoints

CONFIG = checkpoints.CLIP_TINY | {
    "embed_dim": 32,
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
    "quick_gelu": True,
}


def tiny_clip(root: Path) -> WeightsDir:
    """Write the checkpoint as that of both sizes of CLIP, and return its weights directory."""
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
    shutil.copytree(folder, root / "clip-l14")
    return WeightsDir(root=root, pins={**PINS, "clip": checkpoints.repinned(folder, "clip")})


BACKBONE = "internvideo2-tiny"
TINY = Size(dim=32, depth=2, heads=2, pooled=24, side=28)


def internvideo2_shapes(size: Size, *, tuned: bool) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the tensors in the released files.

    Args:
        size: the size of the encoder.
        tuned: whether the file is of a fine-tuned model, otherwise of a distilled one.
    """
    dim, hidden, out = size.dim, int(size.dim * size.mlp), size.pooled
    tokens = 1 + size.frames * (size.side // size.patch) ** 2
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, tokens, dim),
        "patch_embed.proj.weight": (dim, 3, 1, size.patch, size.patch),
        "patch_embed.proj.bias": (dim,),
    }
    for block in range(size.depth):
        shapes |= {
            f"blocks.{block}.{name}": shape
            for name, shape in {
                "norm1.weight": (dim,),
                "attn.qkv.weight": (3 * dim, dim),
                "attn.q_norm.weight": (dim,),
                "attn.k_norm.weight": (dim,),
                "attn.proj.weight": (dim, dim),
                "attn.proj.bias": (dim,),
                "ls1.gamma": (dim,),
                "norm2.weight": (dim,),
                "mlp.fc1.weight": (hidden, dim),
                "mlp.fc1.bias": (hidden,),
                "mlp.fc2.weight": (dim, hidden),
                "mlp.fc2.bias": (dim,),
                "ls2.gamma": (dim,),
            }.items()
        }
    for name in "qkv":
        shapes |= {f"clip_projector.norm1_{name}.{kind}": (dim,) for kind in ("weight", "bias")}
        shapes |= {f"clip_projector.cross_attn.{name}_bias": (dim,)}
        shapes |= {f"clip_projector.cross_attn.{name}.weight": (dim, dim)}
    shapes |= {"clip_projector.cross_attn.proj.weight": (out, dim), "clip_projector.cross_attn.proj.bias": (out,)}
    if tuned:
        shapes |= {"fc_norm.weight": (out,), "fc_norm.bias": (out,), "head.weight": (400, out), "head.bias": (400,)}
    else:
        shapes |= {"clip_pos_embed": (1, tokens, dim), "clip_decoder.0.head.weight": (48, dim)}
        shapes |= {"final_clip_decoder.head.weight": (out, out)}
    return shapes


def internvideo2_tensors(*, tuned: bool) -> dict[str, Tensor]:
    """Return random tensors of a tiny released file."""
    generator = torch.Generator().manual_seed(0)
    shapes = internvideo2_shapes(TINY, tuned=tuned)
    tensors = {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    ones = (
        "norm1.weight",
        "norm2.weight",
        "_norm.weight",
        ".gamma",
        "norm1_q.weight",
        "norm1_k.weight",
        "norm1_v.weight",
    )
    return {name: 1 + tensor if name.endswith(ones) else tensor for name, tensor in tensors.items()}


def tiny_store(root: Path) -> WeightsDir:
    """Write tiny checkpoints of CLIP, Depth Pro and InternVideo2, and return their weights directory."""
    store = tiny_clip(root)
    depth_store = checkpoints.make(root, {"depth_pro": "tiny"})
    store.pins["depth_pro"] = depth_store.pins["depth_pro"]  # type: ignore[index]
    depth_store.record("depth_pro", "random")
    (root / BACKBONE).mkdir()
    torch.save({"module": internvideo2_tensors(tuned=True)}, root / BACKBONE / "tiny.bin")
    return store
