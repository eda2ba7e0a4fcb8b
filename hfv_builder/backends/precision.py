"""Precision and compilation of models."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from hfv_builder.profiles.profile import Precision

LOWER = {"fp16": torch.float16, "bf16": torch.bfloat16}
MOST_COMPILED = 256
"""Compilations of a function, two per size. By default torch stops at eight: the last bits of a clip's scores would
depend on which clips its worker scored before."""


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
    """Compile modules whose inputs have few sizes, one by one.

    Those of one kind share their code: seconds, where a whole model takes minutes.
    """
    for module in modules:
        # `module.compile()` would count all kinds of modules together.
        module.forward = compiled(module.forward)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled by `torch.compile` once for each size of an item, and for any number of items.

    A single item is compiled separately, because torch treats a length of one as a constant.

    Args:
        function: its positional arguments are tensors whose first axis are the items, or tuples of them.
    """
    inner = torch.compile(function, dynamic=False, recompile_limit=MOST_COMPILED)  # type: ignore[call-overload]

    def run(*arguments: Any, **options: Any) -> Any:
        for tensor in tree_leaves(arguments):
            if isinstance(tensor, Tensor) and len(tensor) > 1:
                torch._dynamo.mark_dynamic(tensor, 0)
        return inner(*arguments, **options)

    return run
