"""Batches as large as memory allows: sized at the start by what is free, halved when that was too much."""

from collections.abc import Callable

import torch
from torch import Tensor

from hfv_builder.backends.memory import Trim
from hfv_builder.records import ClipError

SHARE = 0.5
"""Of the free memory of the device that one batch may use; the rest is for the metrics and for fragmentation."""


class Batches:
    """Runs a function over the first axis of its tensors, some items at a time.

    On CUDA the last bits of a result can depend on how many that are, and so on who else uses the GPU's memory.
    """

    def __init__(self, *, device: str, most: int, bytes_each: float = 0) -> None:
        """Args:
        most: items in a batch; more brings no speed.
        bytes_each: working memory of an item on the device; taken into account on CUDA only, so that on a CPU the
            batches, and with them the last bits of the results, are the same on every machine.
        """
        self.size = most
        self._device = device
        self._trim: Callable[[], None] = Trim() if device == "cpu" else lambda: None
        if device.startswith("cuda") and bytes_each:
            free, _ = torch.cuda.mem_get_info(torch.device(device))
            self.size = max(1, min(most, int(SHARE * free / bytes_each)))

    def run(self, function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        """What the function makes of the tensors, batch by batch, put together along the first axis.

        Raises:
            ClipError: memory does not suffice even for one item.
        """
        count, start, parts = len(tensors[0]), 0, []
        while start < count:
            left = count - start
            step = -(-left // -(-left // self.size))  # equal shares: a small one at the end would be as slow
            try:
                parts.append(function(*(each[start : start + step] for each in tensors)))
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if step == 1:
                    raise ClipError(f"memory of {self._device} does not suffice for one of its frames") from None
            else:
                start += step
                self._trim()
                continue
            # Outside the handler: the error would hold on to the very tensors that are to be freed.
            self.size = step // 2
            if self._device.startswith("cuda"):
                torch.cuda.empty_cache()
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def _out_of_memory(error: Exception) -> bool:
    # The CPU's allocator has no error of its own.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
