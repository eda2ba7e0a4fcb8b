"""Run a function in batches: the size follows the free memory at the start and is halved when memory runs out."""

from collections.abc import Callable

import torch
from torch import Tensor

from hfv_builder.backends.memory import Trim
from hfv_builder.records import ClipError

SHARE = 0.5
"""Share of the free device memory that one batch may use; the rest is for the metrics and for fragmentation."""


class Batches:
    """Run a function over batches of items along the first axis of its tensors.

    On CUDA the last bits of a result can depend on the batch size, and so on the memory that other processes use.
    """

    def __init__(self, *, device: str, most: int, bytes_each: float = 0) -> None:
        """Choose the batch size.

        Args:
            device: the device on which the function runs.
            most: largest number of items in a batch; more items are not faster.
            bytes_each: working memory per item. Used on CUDA only: on a CPU the batches, and with them the last bits of
                the results, are the same on every machine.
        """
        self.size = most
        self._device = device
        self._trim: Callable[[], None] = Trim() if device == "cpu" else lambda: None
        if device.startswith("cuda") and bytes_each:
            free, _ = torch.cuda.mem_get_info(torch.device(device))
            self.size = max(1, min(most, int(SHARE * free / bytes_each)))

    def run(self, function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        """Return the outputs of the function for all batches, concatenated along the first axis.

        Raises:
            ClipError: the memory does not suffice for a single item.
        """
        count, start, parts = len(tensors[0]), 0, []
        while start < count:
            left = count - start
            size = -(-left // -(-left // self.size))  # equal sizes: a small last batch takes as long
            try:
                parts.append(function(*(tensor[start : start + size] for tensor in tensors)))
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if size == 1:
                    raise ClipError(f"memory of {self._device} does not suffice for one of its frames") from None
            else:
                start += size
                self._trim()
                continue
            # Outside the handler, because the exception references the tensors that must be freed.
            self.size = size // 2
            if self._device.startswith("cuda"):
                torch.cuda.empty_cache()
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def out_of_memory(error: Exception) -> bool:
    """Return whether torch lacks memory."""
    # The CPU allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
