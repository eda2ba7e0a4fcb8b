"""The device on which models run."""

from hfv_builder.records import UsageError


def chosen_device(device: str | None) -> str:
    """Return the device that the user has named, else `cuda` if torch can use a GPU, else `cpu`.

    Raises:
        UsageError: a GPU is named and torch can use none.
    """
    if device == "cpu":
        return device
    import torch

    found = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and found != "cuda":
        raise UsageError("no GPU is found here: leave out --device, or name the GPUs in CUDA_VISIBLE_DEVICES")
    return device or found
