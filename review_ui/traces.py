"""Traces of single clips, found in the scores manifest without holding all of it in memory."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hfv_builder.manifest import Manifests
from hfv_builder.records import METRICS, Metric
from hfv_builder.schema import SCORES

KEPT = 12
"""Row groups that stay in memory."""
COLUMNS = ["clip_id", "score", "frames", "trace", "status", "error"]

Place = tuple[int, int, int]
"""Part, row group in it, row in that."""


class Traces:
    """Where each clip's rows stand; they are read when somebody asks."""

    def __init__(self, manifests: Manifests) -> None:
        """Index the scores by reading their ids only.

        Raises:
            UsageError: a part cannot be read.
        """
        manifests.read(SCORES, ["clip_id"]).num_rows  # noqa: B018 - for its complaints about damaged parts
        self._parts: list[Path] = []
        self._places: dict[tuple[str, str], dict[str, Place]] = {}
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._lock = threading.Lock()
        for keys in manifests.partitions(SCORES):
            for path in manifests.parts(SCORES, **keys):
                self._index(path, keys)

    def _index(self, path: Path, keys: dict[str, str]) -> None:
        places = self._places.setdefault((keys["metric"], keys["generator"]), {})
        self._parts.append(path)
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, ["clip_id"])["clip_id"].to_pylist()
                places.update((clip_id, (len(self._parts) - 1, group, row)) for row, clip_id in enumerate(ids))

    def read(self, clip_id: str, generator: str) -> dict[Metric, dict[str, Any]]:
        """Score, frames, trace, status and error of the clip, per metric that it has a row for."""
        found = {}
        for metric in METRICS:
            place = self._places.get((metric.value, generator), {}).get(clip_id)
            if place is None:
                continue
            row = self._group(*place[:2]).slice(place[2], 1).to_pylist()
            if row and row[0]["clip_id"] == clip_id:  # else the part was replaced since we looked
                found[metric] = row[0]
        return found

    def _group(self, part: int, group: int) -> pa.Table:
        with self._lock:
            if (part, group) not in self._groups:
                try:
                    with pq.ParquetFile(self._parts[part]) as file:
                        self._groups[part, group] = file.read_row_group(group, COLUMNS)
                except (OSError, pa.ArrowInvalid, IndexError):
                    return SCORES.schema.empty_table().select(COLUMNS)
            self._groups.move_to_end((part, group))
            while len(self._groups) > KEPT:
                self._groups.popitem(last=False)
            return self._groups[part, group]
