"""Video backbones of `humansam`: InternVideo2 from its released files, and V-JEPA 2 by transformers."""

import re
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from torch import Tensor, nn

from hfv_builder.backends.checkpoint import from_pretrained, unreadable
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.video_transformer import SIZES, AttentionPool, VideoTransformer
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256

VJEPA2: Mapping[str, str] = {
    "vjepa2-l": "facebook/vjepa2-vitl-fpc64-256",
    "vjepa2-h": "facebook/vjepa2-vith-fpc64-256",
    "vjepa2-g": "facebook/vjepa2-vitg-fpc64-256",
}
"""Repositories on the Hugging Face hub."""
INTERNVIDEO2 = "OpenGVLab/InternVideo2_distillation_models"
SUFFIXES = (".bin", ".pth", ".pt", ".safetensors")
WRAPPERS = ("module", "model")
"""Keys under which training programs put the tensors of a checkpoint."""
UNUSED = ("head.", "down_norm.", "clip_decoder.", "final_clip_decoder.", "mae_decoder.", "clip_pos_embed")
"""Prefixes of released tensors that only pretraining, or another set of classes, needs."""
NEW = {"fc_norm.weight": 1.0, "fc_norm.bias": 0.0}
"""Tensors that only a fine-tuned checkpoint has; without them both are newly initialised."""
BLOCK = re.compile(r"(?:blocks|encoder\.layer)\.(\d+)\.")


class Backbone(nn.Module):
    """A network that maps a video to features."""

    side: int
    """Pixels of a side."""
    frames: int = 8
    averages: int
    """Number of average vectors of a clip."""
    width: int
    """Of each."""
    pooled: int
    """Width of the attention-pooled vector."""
    depth: int
    """Number of blocks."""
    origin: str = ""
    """SHA-256 of the published file that it starts from."""

    def layer(self, name: str) -> int:
        """Return the layer of a parameter: 0 of the embeddings, 1 … depth of the blocks, depth + 1 after them."""
        if block := BLOCK.search(name):
            return int(block[1]) + 1
        embeds = ("patch_embed", "cls_token", "pos_embed", "embeddings")
        return 0 if any(part in embeds for part in name.split(".")) else self.depth + 1

    def forward(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Return averages, (B, averages, width), and the pooled vector, (B, pooled).

        Args:
            video: (B, 3, frames, side, side) float, normalised as ImageNet.
        """
        raise NotImplementedError


class InternVideo2(Backbone):
    """InternVideo2: its averages are the class token and the mean of the other tokens."""

    averages = 2

    def __init__(self, name: str, *, drop_path: float, checkpointing: bool) -> None:
        super().__init__()
        size = SIZES[name]
        self.network = VideoTransformer(size, drop_path=drop_path, checkpointing=checkpointing)
        self.side, self.frames, self.depth = size.side, size.frames, size.depth
        self.width, self.pooled = size.dim, size.pooled

    def start(self, path: Path) -> None:
        """Load a released file.

        Raises:
            UsageError: it cannot be read, or tensors are missing, unknown or of another shape.
        """
        fill(self.network, _tensors(path), path)
        self.origin = file_sha256(path)

    def forward(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """See `Backbone`."""
        averages, pooled = self.network(video)
        return averages, pooled


class Vjepa2(Backbone):
    """V-JEPA 2: its average is the mean of all tokens, and the attention pool is new."""

    averages = 1

    def __init__(self, encoder: Any, config: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.side, self.depth, self.width, self.pooled = (
            config.crop_size,
            config.num_hidden_layers,
            config.hidden_size,
            768,
        )
        self.pool, self.fc_norm = AttentionPool(self.width, self.pooled), nn.LayerNorm(self.pooled)

    def forward(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """See `Backbone`."""
        tokens = self.encoder(video.transpose(1, 2)).last_hidden_state
        return tokens.mean(dim=1, keepdim=True), self.fc_norm(self.pool(tokens))


def make_backbone(
    name: str, weights: WeightsDir, *, own_file: str, drop_path: float, checkpointing: bool, start: bool
) -> Backbone:
    """Return a backbone.

    Args:
        name: of `SIZES` or `VJEPA2`.
        weights: its folder NAME holds the file or folder of a model, as published.
        own_file: a file, or a folder of transformers, to use instead; empty for none.
        drop_path: see `VideoTransformer`.
        checkpointing: see `VideoTransformer`.
        start: load the published weights; otherwise the backbone has none until `load_state_dict` with `assign`.

    Raises:
        UsageError: there is no such backbone, or its weights are missing, damaged or do not fit.
    """
    folder = weights.root / name
    if start and own_file and not Path(own_file).exists():
        raise UsageError(f"{own_file} does not exist: give backbone_weights another file or folder, or leave it out")
    if name in SIZES:
        file = (Path(own_file) if own_file else _only_file(folder, name)) if start else None
        with torch.device("meta"):  # random weights of these sizes take seconds
            own = InternVideo2(name, drop_path=drop_path, checkpointing=checkpointing)
        if file is not None:
            own.start(file)
        return own
    if name in VJEPA2:
        return _vjepa2(Path(own_file) if own_file else folder, name, drop_path, checkpointing, start=start)
    raise UsageError(f"there is no backbone {name!r}: choose from {', '.join([*SIZES, *VJEPA2])}")


def fill(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Set the parameters of InternVideo2 to tensors of a released file, strictly.

    Raises:
        UsageError: tensors are missing, unknown or of another shape.
    """
    state = {name: tensor for name, tensor in state.items() if not name.startswith(UNUSED)}
    expected = network.state_dict()
    if not any(name in state for name in NEW):
        state |= {name: torch.full(expected[name].shape, value) for name, value in NEW.items()}
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    wrong = sorted(name for name in expected.keys() & state.keys() if state[name].shape != expected[name].shape)
    if missing or unknown or wrong:
        if missing:
            what, names = "it has no", missing
        elif unknown:
            what, names = "it has an unknown", unknown
        else:
            shapes = f"{tuple(state[wrong[0]].shape)}, not {tuple(expected[wrong[0]].shape)}"
            what, names = f"of the shape {shapes}, is", wrong
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise UsageError(
            f"the weights {path} do not fit the backbone ({what} {names[0]}{more}): choose the size of backbone that "
            "they are of, or download them again"
        )
    network.load_state_dict({name: tensor.to(torch.float32, copy=True) for name, tensor in state.items()}, assign=True)


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of PyTorch or safetensors, without executing code from it."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
        for wrapper in WRAPPERS:
            if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
                content = content[wrapper]
        return {name: tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    except Exception as error:  # damaged files raise zip, pickle and OS errors of many types
        raise unreadable(path, error) from None


def _only_file(folder: Path, name: str) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    if len(files) != 1:
        what = f"has {len(files)} files of weights" if files else "has no weights"
        raise UsageError(
            f"{folder} {what} of {name}: put one file there, such as `hf download {INTERNVIDEO2} FILE --local-dir "
            f"{quote(str(folder))}` gives, or name a file with backbone_weights"
        )
    return files[0]


def _vjepa2(folder: Path, name: str, drop_path: float, checkpointing: bool, *, start: bool) -> Vjepa2:
    from transformers import VJEPA2Config, VJEPA2Model

    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{folder} has no config.json of {name}: run `hf download {VJEPA2[name]} --local-dir "
            f"{quote(str(folder))}`, or name the folder with backbone_weights"
        )
    kind: Any = VJEPA2Model
    if start:
        model = from_pretrained(kind, folder, drop_path_rate=drop_path).requires_grad_(True)
    else:
        model = kind(VJEPA2Config.from_pretrained(folder, drop_path_rate=drop_path))
    if checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    own = Vjepa2(model.encoder, model.config)
    own.origin = file_sha256(folder / "model.safetensors") if start else ""
    return own
