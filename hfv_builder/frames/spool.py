"""Store maps of a clip's frames on their device, and in a temporary file once they are too large."""

import tempfile
import weakref
from typing import IO

import numpy as np
import torch
from torch import Tensor

IN_MEMORY = {"cpu": 256 << 20, "cuda": 4 << 30}
"""Largest number of bytes of maps that stay on a device."""


class Spool:
    """A growing (T, …) array of one dtype, read by slices.

    The file is read, not memory-mapped: mapped pages would count as memory of the process. It has no name and
    disappears with the object, even if the process crashes.
    """

    def __init__(self, *, in_memory: int | None = None) -> None:
        """Create an empty array.

        Args:
            in_memory: bytes that stay on the device; None uses `IN_MEMORY` of the device.
        """
        self._in_memory = in_memory
        self._parts: list[Tensor] = []
        self._file: IO[bytes] | None = None
        self._count = 0
        self._like = torch.empty(0)
        """Empty tensor with the shape and dtype of the items."""

    def append(self, maps: Tensor) -> None:
        """Append maps, (n, …), of the same shape and dtype as before."""
        self._like = maps[:0].cpu()
        self._count += len(maps)
        self._parts.append(maps)
        most = IN_MEMORY.get(maps.device.type, 0) if self._in_memory is None else self._in_memory
        if self._file is None and self._count * self._item_bytes() > most:
            self._file = tempfile.TemporaryFile(prefix="hfv-")  # noqa: SIM115 (it lives as long as the spool)
            weakref.finalize(self, self._file.close)
        if self._file is not None:
            for part in self._parts:
                self._file.write(part.cpu().numpy().tobytes())
            self._parts = []

    def __len__(self) -> int:
        """Return the number of maps."""
        return self._count

    def __getitem__(self, part: slice) -> Tensor:
        """Return the maps of a slice with step 1; on the CPU if they are read from the file."""
        start, stop, _ = part.indices(self._count)
        if self._file is None:
            if len(self._parts) != 1:
                self._parts = [torch.cat(self._parts) if self._parts else self._like]
            return self._parts[0][start:stop]
        size = self._item_bytes()
        self._file.seek(start * size)
        data = self._file.read(max(0, stop - start) * size)
        self._file.seek(0, 2)
        flat = np.frombuffer(bytearray(data), self._like.numpy().dtype)
        return torch.from_numpy(flat).reshape(-1, *self._like.shape[1:])

    def _item_bytes(self) -> int:
        return self._like.element_size() * int(np.prod(self._like.shape[1:]))
