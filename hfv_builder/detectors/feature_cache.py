"""Features of clips on disk, by the content of the clip's file: an array is computed once for all releases and runs.

A cache is a folder per fingerprint with Arrow files of some clips each, which are mapped into memory, not read.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hfv_builder.records import UsageError
from hfv_builder.storage.part_file import part_file

SCHEMA = pa.schema(
    {"content": pa.string(), "dtype": pa.string(), "shape": pa.list_(pa.int64()), "values": pa.large_binary()}
)
SUFFIX = ".arrow"


class FeatureCache:
    """The features that one extractor computed."""

    def __init__(self, root: Path, fingerprint: str) -> None:
        """Open the cache, and create it if it does not exist.

        Args:
            root: the folder of all caches.
            fingerprint: of the extractor.

        Raises:
            UsageError: a file in it is damaged, or the folder cannot be made.
        """
        self.folder = root / hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
        self._places: dict[str, tuple[pa.Table, int, Path]] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (name := self.folder / "fingerprint.txt").exists():
                with part_file(name) as part:
                    part.write_text(fingerprint + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"features cannot be kept in {root} ({error.strerror}): give another --cache") from None
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            self._open(path)

    def __contains__(self, content: object) -> bool:
        """Return whether the features of this content are there."""
        return content in self._places

    def __getitem__(self, content: str) -> npt.NDArray[Any]:
        """Return the features of a content, a read-only view of the file.

        Raises:
            UsageError: they are damaged.
        """
        table, row, path = self._places[content]
        try:
            values = np.frombuffer(table["values"][row].as_buffer(), np.dtype(table["dtype"][row].as_py()))
            values.flags.writeable = False
            return values.reshape(table["shape"][row].as_py())
        except (ValueError, TypeError) as error:
            raise _damaged(path, error) from None

    def add(self, features: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write the features of some clips, by content. A hash of the contents names the file."""
        rows = sorted((content, array) for content, array in features.items() if content not in self)
        if not rows:
            return
        columns: dict[str, Iterable[Any]] = {
            "content": [content for content, _ in rows],
            "dtype": [array.dtype.str for _, array in rows],
            "shape": [list(array.shape) for _, array in rows],
            "values": [np.ascontiguousarray(array).tobytes() for _, array in rows],
        }
        name = hashlib.sha256("".join(content for content, _ in rows).encode()).hexdigest()[:16]
        path = self.folder / f"{name}{SUFFIX}"
        try:
            with part_file(path) as part, part.open("wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
                writer.write_table(pa.table(columns, schema=SCHEMA))
        except OSError as error:
            raise UsageError(
                f"features cannot be kept in {self.folder} ({error}): free space, or give --cache"
            ) from None
        self._open(path)

    def _open(self, path: Path) -> None:
        try:
            table = pa.ipc.open_file(pa.memory_map(os.fsencode(path))).read_all().cast(SCHEMA)
            table.validate(full=True)  # a damaged offset would end the process later
            table = table.combine_chunks()
            contents = table["content"].to_pylist()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise _damaged(path, error) from None
        for row, content in enumerate(contents):
            self._places.setdefault(content, (table, row, path))


def _damaged(path: Path, error: Exception) -> UsageError:
    reason = str(error).splitlines()[0]
    return UsageError(f"{path} is damaged ({reason}): delete it, and it is computed again")
