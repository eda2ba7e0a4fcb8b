"""Image towers of models that no score needs: SigLIP by open_clip and Jina CLIP by transformers.

Their files are put into the folder of the weights by hand, under the model's name; `docs/detectors.md` says how.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hfv_builder.backends.checkpoint import from_pretrained, unreadable
from hfv_builder.backends.weights import file_sha256
from hfv_builder.records import UsageError


@dataclass(frozen=True, kw_only=True)
class Tower:
    """A row of the table."""

    library: Literal["open_clip", "transformers"]
    source: str
    """The repository on the Hugging Face hub."""
    weights: str
    """The file of the weights."""
    code: bool = False
    """Whether the folder holds the model's own Python code, which is run."""


TOWERS: Mapping[str, Tower] = {
    "siglip": Tower(library="open_clip", source="timm/ViT-B-16-SigLIP", weights="open_clip_model.safetensors"),
    "jina": Tower(library="transformers", source="jinaai/jina-clip-v1", weights="model.safetensors", code=True),
}


def tower_revision(name: str, folder: Path, device: str) -> str:
    """Return what identifies the weights: the hash of their file, and the type of the device.

    Raises:
        UsageError: they are not there.
    """
    tower = TOWERS[name]
    if not (path := folder / tower.weights).is_file():
        raise UsageError(
            f"{path} is missing: download {tower.source} with `hf download {tower.source} --local-dir {folder}`, or "
            'choose embedding = "lab_histogram", which needs no weights'
        )
    return f"{tower.source} {file_sha256(path)[:12]} {device.split(':')[0]}"


def load_tower(name: str, folder: Path, device: str) -> Callable[[Tensor], Tensor]:
    """Return a function from frames, (n, H, W, 3) uint8, to vectors, (n, D) float32, L2-normalised.

    Raises:
        UsageError: the weights are damaged or do not fit.
    """
    tower = TOWERS[name]
    make = _with_open_clip if tower.library == "open_clip" else _with_transformers
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


def _with_transformers(folder: Path, device: str, tower: Tower) -> Callable[[Tensor], Tensor]:
    from transformers import AutoImageProcessor, AutoModel

    options: dict[str, Any] = {"trust_remote_code": True} if tower.code else {}
    model = from_pretrained(AutoModel, folder, **options).to(device)
    kind: Any = AutoImageProcessor
    processor = kind.from_pretrained(folder, local_files_only=True, **options)

    def network(frames: Tensor) -> Tensor:
        images = processor(images=[*frames.numpy()], return_tensors="pt")["pixel_values"]
        vectors = model.get_image_features(images.to(device))
        tensor: Tensor = getattr(vectors, "pooler_output", vectors)
        return tensor

    return network
