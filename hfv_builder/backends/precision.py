"""Precision and compilation of models."""

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


def compiled(function: Any, enabled: bool) -> Any:
    """Return the function or module, compiled by `torch.compile` if enabled."""
    return torch.compile(function) if enabled else function
