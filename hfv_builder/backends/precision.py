"""Precision and compilation of models."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from hfv_builder.profiles.profile import Precision

LOWER = {"fp16": torch.float16, "bf16": torch.bfloat16}


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Return the autocast context for this precision; `fp32` needs none and gets an empty context."""
    if precision not in LOWER:
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=LOWER[precision])


def forbid_rounding() -> None:
    """Make CUDA compute fp32 in fp32, and the same bits every time; it uses TF32 for convolutions otherwise."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def compile_in_place(modules: Iterable[torch.nn.Module]) -> None:
    """Compile modules whose inputs always have the same few shapes, one by one.

    Those of one kind share their code: seconds, where a whole model takes minutes.
    """
    for module in modules:
        # `module.compile()` would count all kinds of modules together, and stop compiling at eight shapes.
        module.forward = torch.compile(module.forward, dynamic=False)


def compiled(function: Any, enabled: bool) -> Any:
    """Return the function or module, compiled by `torch.compile` if enabled."""
    return torch.compile(function) if enabled else function
