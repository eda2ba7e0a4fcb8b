"""Image towers of models that no score needs: SigLIP by open_clip and Jina CLIP by timm.

Their files are put into the folder of the weights by hand, under the model's name; `docs/detectors.md` says how. Python
code beside the weights is never run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hfv_builder.backends.checkpoint import misfit, unreadable
from hfv_builder.backends.embedding import Normalize, prepare_frames
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256


@dataclass(frozen=True, kw_only=True)
class Tower:
    """A row of the table."""

    library: Literal["open_clip", "timm"]
    source: str
    """The repository on the Hugging Face hub."""
    weights: str
    """The file of the weights."""
    build: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `timm.create_model`."""


TOWERS: Mapping[str, Tower] = {
    "siglip": Tower(library="open_clip", source="timm/ViT-B-16-SigLIP", weights="open_clip_model.safetensors"),
    "jina": Tower(
        library="timm",
        source="jinaai/jina-clip-v1",
        weights="model.safetensors",
        # The tower of EVA-CLIP, whose vectors have its own width.
        build={"model_name": "eva02_base_patch16_clip_224", "num_classes": 768},
    ),
}


def tower_revision(name: str, folder: Path, device: str) -> str:
    """Return the identity of the weights: the hash of their file, and the type of the device.

    Raises:
        UsageError: they are not there.
    """
    tower = TOWERS[name]
    if not (path := folder / tower.weights).is_file():
        raise UsageError(
            f"{path} is missing: download {tower.source} with `hf download {tower.source} --local-dir "
            f'{quote(str(folder))}`, or choose embedding = "lab_histogram", which needs no weights'
        )
    return f"{tower.source} {file_sha256(path)[:12]} {device.split(':')[0]}"


def load_tower(name: str, folder: Path, device: str) -> Callable[[Tensor], Tensor]:
    """Return a function from frames, (n, H, W, 3) uint8, to vectors, (n, D) float32, L2-normalised.

    Raises:
        UsageError: the weights are damaged or do not fit.
    """
    tower = TOWERS[name]
    make = _with_open_clip if tower.library == "open_clip" else _with_timm
    network = make(folder, device, tower)

    def embed(frames: Tensor) -> Tensor:
        with torch.inference_mode():
            return normalize(network(frames).float(), dim=1)

    return embed


def _with_open_clip(folder: Path, device: str, tower: Tower) -> Callable[[Tensor], Tensor]:
    import open_clip
    from PIL import Image

    try:
        model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}", device=device)
    except Exception as error:  # open_clip raises errors of many types
        raise unreadable(folder / tower.weights, error) from None
    model.eval()

    def network(frames: Tensor) -> Tensor:
        images = torch.stack([prepare(Image.fromarray(frame.numpy())) for frame in frames])
        vectors: Tensor = model.encode_image(images.to(device))
        return vectors

    return network


def _with_timm(folder: Path, device: str, tower: Tower) -> Callable[[Tensor], Tensor]:
    import timm
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
    from safetensors.torch import load_file
    from timm.models.eva import checkpoint_filter_fn

    path = folder / tower.weights
    model: Any = timm.create_model(**tower.build).eval().requires_grad_(False)
    try:
        stored = load_file(path)
    except Exception as error:  # safetensors raises errors of many types
        raise unreadable(path, error) from None
    # Under the names of the model's authors, which timm knows with another prefix.
    prefix = "vision_model."
    image = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
    state = {f"visual.{name}": value.float() for name, value in image.items()}
    try:
        model.load_state_dict(checkpoint_filter_fn(state, model), strict=True)
    except (RuntimeError, KeyError) as error:
        raise misfit(path, f"it does not hold {tower.build['model_name']}: {str(error).splitlines()[0]}") from None
    model, side = model.to(device), model.patch_embed.img_size[0]
    mean, std = ([255 * value for value in values] for values in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    normalized = Normalize(mean, std, device)

    def network(frames: Tensor) -> Tensor:
        vectors: Tensor = model(normalized(prepare_frames(frames.to(device), side)))
        return vectors

    return network
