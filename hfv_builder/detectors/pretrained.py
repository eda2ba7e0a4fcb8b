"""Published weights from which detectors start. The user puts them into the folder of the weights, under their name.

Loading is strict: every parameter comes from the file, every tensor of the file is used, and no code in it is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hfv_builder.backends.checkpoint import difference, unreadable
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256

ORIGIN = "origin"
"""Name, among the arrays of a network, of the SHA-256 (ASCII) of the published file from which training started."""
COUNTERS = "num_batches_tracked"
"""Suffix of the names of counters, which not every file has and which are never read."""


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A row of the table."""

    source: str
    """Where the files are published."""
    files: tuple[str, ...]
    """Possible names of the file; the first one that exists is read."""
    licence: str
    is_repository: bool = True
    """Whether the source is a repository on the Hugging Face hub."""


PRETRAINED: Mapping[str, Pretrained] = {
    "clip-l14": Pretrained(
        source="timm/vit_large_patch14_clip_224.openai", files=("open_clip_model.safetensors",), licence="mit"
    ),
    "resnet50": Pretrained(source="timm/resnet50.tv_in1k", files=("model.safetensors",), licence="bsd-3-clause"),
    "xception": Pretrained(
        source="the release v0.1-cadene of pytorch-image-models on GitHub",
        files=("xception-43020ad28.pth",),
        licence="apache-2.0",
        is_repository=False,
    ),
    "timesformer": Pretrained(
        source="facebook/timesformer-base-finetuned-ssv2",
        files=("model.safetensors", "pytorch_model.bin"),
        licence="cc-by-nc-4.0",
    ),
}


def weights_file(name: str, root: Path) -> Path:
    """Return the file of the weights.

    Args:
        name: of `PRETRAINED`.
        root: the folder of all weights.

    Raises:
        UsageError: it is not there.
    """
    own = PRETRAINED[name]
    for path in (root / name / file for file in own.files):
        if path.is_file():
            return path
    raise UsageError(f"{root / name / own.files[0]} is missing: {_cure(name, root)}")


def weights_revision(name: str, root: Path) -> str:
    """Return what identifies the weights: where they are from, and the hash of their file.

    Raises:
        UsageError: they are not there.
    """
    return f"{PRETRAINED[name].source} {file_sha256(weights_file(name, root))[:12]}"


def network_arrays(network: nn.Module, origin: str) -> dict[str, npt.NDArray[Any]]:
    """Return the parameters of a trained network by name, and under `ORIGIN` the hash of the published file."""
    arrays = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
    return arrays | {ORIGIN: np.frombuffer(origin.encode(), np.uint8)}


def fill(network: nn.Module, name: str, root: Path, *, prefix: str = "", head: str = "") -> None:
    """Set the parameters of the network, which may be on `meta`, to the published ones, in fp32.

    Args:
        network: its parameters have the names in the file, without the prefix.
        name: of `PRETRAINED`.
        root: the folder of all weights.
        prefix: of the names of the network's tensors; other tensors are ignored.
        head: prefix of the names of the layer that is trained from scratch and stays as it is. Empty for none.

    Raises:
        UsageError: the file is missing or damaged, or a tensor is missing, left over or of another shape.
    """
    path = weights_file(name, root)
    cure = _cure(name, root)
    own = _own(_read(path, cure), prefix, head)
    if wrong := difference(own, _own(network.state_dict(), "", head)):
        raise UsageError(f"the weights {path} do not fit the network ({wrong}): {cure}")
    network.load_state_dict({key: tensor.float() for key, tensor in own.items()}, strict=False, assign=True)


def _own(state: Mapping[str, Tensor], prefix: str, head: str) -> dict[str, Tensor]:
    """Return the tensors with the prefix, by their names without it; head and counters are left out."""
    names = {name.removeprefix(prefix): name for name in state if name.startswith(prefix)}
    return {
        own: state[name]
        for own, name in names.items()
        if not (head and own.startswith(head)) and not own.endswith(COUNTERS)
    }


def _read(path: Path, cure: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise safetensors, zip, pickle and OS errors of many types
        raise unreadable(path, error, cure) from None
    return state


def _cure(name: str, root: Path) -> str:
    own = PRETRAINED[name]
    if own.is_repository:
        return f"download it with `hf download {own.source} --local-dir {quote(str(root / name))}`"
    return f"download it from {own.source} into {root / name}"
