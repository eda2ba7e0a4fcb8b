"""Embeddings of texts by the text tower of CLIP, to compare with those of frames."""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hfv_builder.backends.checkpoint import unreadable


def load_clip(folder: Path) -> Any:
    """Return the whole model of a CLIP checkpoint, image and text tower, in fp32 and evaluation mode.

    Raises:
        UsageError: it cannot be read.
    """
    import open_clip

    if not (root := logging.getLogger()).handlers:  # open_clip logs on the root logger, which would add one that prints
        root.addHandler(logging.NullHandler())
    try:
        model = open_clip.create_model(f"local-dir:{folder}", precision="fp32")
    except Exception as error:  # open_clip raises errors of many types
        raise unreadable(folder / "open_clip_model.safetensors", error) from None
    return model.eval()


def embed_prompts(model: Any, folder: Path, prompts: Sequence[Sequence[str]]) -> Tensor:
    """Return one vector per class, (classes, D) float32: the normalised mean of its prompts' normalised embeddings."""
    tokenize = _tokenizer(folder)
    with torch.inference_mode():
        own = [normalize(model.encode_text(tokenize([*texts])).float(), dim=1).mean(dim=0) for texts in prompts]
        vectors: Tensor = normalize(torch.stack(own), dim=1)
    return vectors.clone()


@cache
def _tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a CLIP checkpoint. Reading its vocabulary takes longer than a small batch of texts."""
    import open_clip

    return open_clip.get_tokenizer(f"local-dir:{folder}")
