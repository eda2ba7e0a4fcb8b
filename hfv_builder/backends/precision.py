"""In what precision a model computes, and whether it is compiled."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from hfv_builder.profiles.profile import Precision

LOWER = {"fp16": torch.float16, "bf16": torch.bfloat16}


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """The context in which a model of fp32 weights computes its large products in this precision."""
    if precision not in LOWER:
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=LOWER[precision])


def compiled(function: Any, wanted: bool) -> Any:
    """The function or module, compiled if that is wanted."""
    return torch.compile(function) if wanted else function
