"""Strict loading of weights: every parameter comes from the file, else an error names the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from hfv_builder.records import UsageError

CURE = "delete it and run the command again, which says how to download it"
"""Holds for the weights of all models, of profiles, person detectors and detectors."""


def load_pth(model: nn.Module, path: Path) -> None:
    """Load the parameters of the model from a `.pth` file of tensors, without executing code from the file.

    Raises:
        UsageError: the file cannot be read, or does not fit the model.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise zip, pickle and OS errors of many types
        raise unreadable(path, error) from None
    _fill(model, state, path)


def load_safetensors(model: nn.Module, path: Path, *, prefix: str = "") -> None:
    """Load the parameters of the model, which may be on `meta`, from the tensors whose names begin with the prefix.

    Raises:
        UsageError: the file cannot be read, or does not fit the model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            state = {name[len(prefix) :]: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise unreadable(path, error) from None
    _fill(model, {name: tensor.float() for name, tensor in state.items()}, path)


def from_pretrained(kind: Any, folder: Path, **options: Any) -> Any:
    """Return a model of this `transformers` class with the weights in the folder, in fp32 and evaluation mode.

    Raises:
        UsageError: its files cannot be read, or a parameter has no weights.
    """
    import transformers

    path = folder / "model.safetensors"
    # Its warnings are errors here, and its progress bar would overwrite ours.
    logging: Any = transformers.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
            **options,
        )
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise unreadable(path, error) from None
    wrong = sorted([*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])])
    if wrong:
        raise misfit(path, f"it has no fitting weights for {wrong[0]}{_others(wrong)}")
    return model.eval().requires_grad_(False)


def unreadable(path: Path, error: Exception, cure: str = CURE) -> UsageError:
    """Return the error for weights that cannot be read, with the first line of the reason."""
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return UsageError(f"the weights {path} cannot be read ({reason[:200]}): {cure}")


def misfit(path: Path, reason: str) -> UsageError:
    """Return the error for weights that do not fit the model."""
    return UsageError(f"the weights {path} do not fit the model ({reason}): {CURE}")


def _fill(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    if wrong := difference(state, model.state_dict()):
        raise misfit(path, wrong)
    model.load_state_dict(state, assign=True)


def difference(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Return how the tensors of a file differ in name or shape from those of a model; empty if they do not."""
    for problem, names in (
        ("it has no", expected.keys() - state.keys()),
        ("it has an unknown", state.keys() - expected.keys()),
    ):
        if names:
            return f"{problem} {min(names)}{_others(names)}"
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            return f"{name} is {tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
    return ""


def _others(names: Any) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
