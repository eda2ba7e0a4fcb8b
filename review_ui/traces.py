"""Traces of single clips, found in the scores manifest without holding all of it in memory."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hfv_builder.manifest import Manifests
from hfv_builder.records import METRICS, Metric
from hfv_builder.schema import SCORES

KEPT = 12
"""Row groups that stay in memory."""
COLUMNS = ["clip_id", "score", "frames", "trace", "status", "error"]
DAMAGED = "a part of the scores cannot be read; score this generator again"


@dataclass(frozen=True, kw_only=True)
class Group:
    """A row group of a part."""

    path: Path
    number: int
    ids: pa.ChunkedArray
    """The clip_id of each of its rows."""


class Traces:
    """Where each clip's rows stand: the ids of a generator are read when somebody first asks for one of its clips."""

    def __init__(self, manifests: Manifests) -> None:
        """Nothing is read yet."""
        self._manifests = manifests
        self._groups = lru_cache(maxsize=None)(self._index)
        self._tables: OrderedDict[tuple[Path, int], pa.Table] = OrderedDict()
        self._damaged: set[tuple[Metric, str]] = set()
        self._lock = threading.Lock()

    def read(self, clip_id: str, generator: str) -> dict[Metric, dict[str, Any]]:
        """Score, frames, trace, status and error of the clip, per metric that it has a row for. Thread-safe."""
        found = {}
        with self._lock:
            for metric in METRICS:
                for group in self._groups(metric, generator):
                    at = pc.index(group.ids, clip_id).as_py()
                    row = self._table(group).slice(at, 1).to_pylist() if at >= 0 else []
                    if row and row[0]["clip_id"] == clip_id:  # else the part was replaced since we looked
                        found[metric] = row[0]
                if metric not in found and (metric, generator) in self._damaged:
                    found[metric] = dict.fromkeys(COLUMNS) | {"error": DAMAGED}
        return found

    def _index(self, metric: Metric, generator: str) -> list[Group]:
        groups = []
        for part in self._manifests.parts(SCORES, metric=metric.value, generator=generator):
            path = Path(str(part))
            try:
                with pq.ParquetFile(path) as file:
                    for number in range(file.num_row_groups):
                        ids = file.read_row_group(number, ["clip_id"])["clip_id"]
                        groups.append(Group(path=path, number=number, ids=ids))
            except (OSError, pa.ArrowInvalid):
                self._damaged.add((metric, generator))  # its clips can be reviewed all the same
        return groups

    def _table(self, group: Group) -> pa.Table:
        key = (group.path, group.number)
        if key not in self._tables:
            try:
                with pq.ParquetFile(group.path) as file:
                    self._tables[key] = file.read_row_group(group.number, COLUMNS)
            except (OSError, pa.ArrowInvalid, IndexError):
                return SCORES.schema.empty_table().select(COLUMNS)
        self._tables.move_to_end(key)
        while len(self._tables) > KEPT:
            self._tables.popitem(last=False)
        return self._tables[key]
