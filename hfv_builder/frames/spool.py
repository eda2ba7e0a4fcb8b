"""Maps of a clip's frames, on their device while they are few and in a temporary file once they are many."""

import tempfile
import weakref
from typing import IO

import numpy as np
import torch
from torch import Tensor

IN_MEMORY = {"cpu": 256 << 20, "cuda": 4 << 30}
"""Bytes of maps that are kept on a device."""


class Spool:
    """A growing (T, …) array of one dtype, read by slices.

    Read with `read`, not mapped: mapped pages would count as the process's memory. The file has no name and is gone
    with the object, whatever becomes of the process.
    """

    def __init__(self, *, in_memory: int | None = None) -> None:
        """Args:
        in_memory: bytes that are kept; None keeps what suits the device of the maps.
        """
        self._in_memory = in_memory
        self._parts: list[Tensor] = []
        self._file: IO[bytes] | None = None
        self._count = 0
        self._like = torch.empty(0)
        """No items, but their shape and dtype."""

    def append(self, maps: Tensor) -> None:
        """Put some more at the end: (n, …), shape and dtype as those before."""
        self._like = maps[:0].cpu()
        self._count += len(maps)
        self._parts.append(maps)
        most = IN_MEMORY.get(maps.device.type, 0) if self._in_memory is None else self._in_memory
        if self._file is None and self._count * self._bytes_each() > most:
            self._file = tempfile.TemporaryFile(prefix="hfv-")  # noqa: SIM115 (it lives as long as the spool)
            weakref.finalize(self, self._file.close)
        if self._file is not None:
            for part in self._parts:
                self._file.write(part.cpu().numpy().tobytes())
            self._parts = []

    def __len__(self) -> int:
        """How many maps there are."""
        return self._count

    def __getitem__(self, part: slice) -> Tensor:
        """The maps of the slice (of step 1); on the CPU if they come from the file."""
        start, stop, _ = part.indices(self._count)
        if self._file is None:
            if len(self._parts) != 1:
                self._parts = [torch.cat(self._parts) if self._parts else self._like]
            return self._parts[0][start:stop]
        size = self._bytes_each()
        self._file.seek(start * size)
        data = self._file.read(max(0, stop - start) * size)
        self._file.seek(0, 2)
        flat = np.frombuffer(bytearray(data), self._like.numpy().dtype)
        return torch.from_numpy(flat).reshape(-1, *self._like.shape[1:])

    def _bytes_each(self) -> int:
        return self._like.element_size() * int(np.prod(self._like.shape[1:]))
