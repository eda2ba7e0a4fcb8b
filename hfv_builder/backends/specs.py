"""The table of backends: kind, module, packages and weights of each. Imports no model library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["flow", "depth", "embedding"]


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a model's weights."""

    name: str
    sha256: str | None = None
    """None if no hash is published; then the hash of the first download is recorded, and later loads must match it."""
    size: int | None = None
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The published weights of a backend."""

    source: str
    """The repository on the Hugging Face hub, or the name of torchvision's weights."""
    revision: str | None
    """The commit; None if it is recorded when the weights are downloaded."""
    licence: str
    files: tuple[File, ...]


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """One backend, a row of the table."""

    kind: Kind
    module: str
    """The module of `hfv_builder.backends` that defines its `load(config, device, store)`; imported at first use."""
    packages: tuple[str, ...]
    """The distributions that it needs; their versions are recorded with every score."""
    weights: Pin | None = None
    """None for a classical backend, which has no weights and ignores `precision` and `compile`."""
    recipe: int = 1
    """Version of our code. Increment it when the backend's output for the same frames and parameters changes."""
    keep_vectors: bool = False
    """Whether the frame embeddings are stored for later stages."""


BACKENDS: Mapping[str, BackendSpec] = {
    "raft_large": BackendSpec(
        kind="flow",
        module="raft",
        packages=("torch", "torchvision"),
        weights=Pin(
            source="Raft_Large_Weights.C_T_SKHT_V2",
            revision="ff5fadd5",
            licence="bsd-3-clause",
            files=(
                File(
                    name="raft_large_C_T_SKHT_V2-ff5fadd5.pth",
                    sha256="ff5fadd56d26b40647388883af1547351ea17868b765c05b27231e72dd16a322",
                ),
            ),
        ),
    ),
    "raft_small": BackendSpec(
        kind="flow",
        module="raft",
        packages=("torch", "torchvision"),
        weights=Pin(
            source="Raft_Small_Weights.C_T_V2",
            revision="01064c6d",
            licence="bsd-3-clause",
            files=(
                File(
                    name="raft_small_C_T_V2-01064c6d.pth",
                    sha256="01064c6dba73b0fc9fc8edf772248560a00a3acfd62ac6677e9eeebad9680e27",
                ),
            ),
        ),
    ),
    "dis": BackendSpec(kind="flow", module="classical_flow", packages=("torch", "opencv-python-headless"), recipe=2),
    "depth_pro": BackendSpec(
        kind="depth",
        module="depth_pro",
        packages=("torch", "transformers"),
        weights=Pin(
            source="apple/DepthPro-hf",
            revision=None,
            licence="apple-amlr",
            files=(File(name="config.json"), File(name="model.safetensors")),
        ),
    ),
    "apparent_size": BackendSpec(
        kind="depth", module="classical_depth", packages=("torch", "opencv-python-headless"), recipe=3
    ),
    "clip": BackendSpec(
        kind="embedding",
        module="clip",
        packages=("torch", "torchvision", "open_clip_torch"),
        weights=Pin(
            source="timm/vit_base_patch32_clip_224.openai",
            revision="a6f597a30f7b82c51704746581f9a4e41421e878",
            licence="mit",
            files=(
                File(name="open_clip_config.json"),
                File(
                    name="open_clip_model.safetensors",
                    sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
                    size=605_143_284,
                ),
            ),
        ),
        keep_vectors=True,
    ),
    "dinov2": BackendSpec(
        kind="embedding",
        module="dinov2",
        packages=("torch", "transformers"),
        weights=Pin(
            source="facebook/dinov2-base",
            revision="f9e44c814b77203eaa57a6bdbbd535f21ede1415",
            licence="apache-2.0",
            files=(
                File(
                    name="config.json",
                    sha256="f7ff4cfa73d2f70647dbf6950541ad25d73082d54c2e7e9bded160c7656b2a70",
                ),
                File(
                    name="model.safetensors",
                    sha256="d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841",
                    size=346_345_912,
                ),
            ),
        ),
    ),
    "lab_histogram": BackendSpec(
        kind="embedding",
        module="classical_embedding",
        packages=("torch", "opencv-python-headless"),
        recipe=4,
        keep_vectors=True,
    ),
}
"""Hashes and commits as published, and quoted by several independent projects; none was checked against a download.
The commit of DepthPro-hf is recorded when its weights are downloaded, since none is published."""


def names(kind: Kind) -> list[str]:
    """Return the names of the backends of this kind, sorted."""
    return sorted(name for name, spec in BACKENDS.items() if spec.kind == kind)
