"""Read the traces of single clips from the scores manifest, without loading all of it."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hfv_builder.labelling.scored import Origin, origin_of_labels
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.replacement import TRIES
from hfv_builder.storage.schema import SCORES

KEPT = 12
"""Largest number of row groups in memory."""
COLUMNS = ["clip_id", "score", "frames", "trace", "fingerprint", "status", "error"]
DAMAGED = "a part of the scores cannot be read; score this generator again"


@dataclass(frozen=True, kw_only=True)
class Group:
    """A row group of a part."""

    path: Path
    number: int
    ids: pa.ChunkedArray
    """The clip_id of every row."""


class Traces:
    """Traces and evidence of clips, from the scores that their labels were made from.

    The clip ids of a generator are read at the first request for one of its clips.
    """

    def __init__(self, manifests: Manifests) -> None:
        """Start without reading."""
        self._manifests = manifests
        self._origin = lru_cache(maxsize=None)(partial(origin_of_labels, manifests))
        self._groups = lru_cache(maxsize=None)(self._index)
        self._tables: OrderedDict[tuple[Path, int], pa.Table] = OrderedDict()
        self._damaged: set[tuple[Metric, str]] = set()
        self._lock = threading.Lock()

    def read(self, clip_id: str, generator: str) -> dict[Metric, dict[str, Any]]:
        """Return score, frames, trace, status and error of the clip by metric, if it has a row. Thread-safe."""
        with self._lock:
            for _ in range(TRIES):
                try:
                    return self._read(clip_id, generator)
                except FileNotFoundError:  # `hfv score` has replaced the part
                    self._groups.cache_clear()
        return {metric: dict.fromkeys(COLUMNS) | {"error": DAMAGED} for metric in METRICS}

    def _read(self, clip_id: str, generator: str) -> dict[Metric, dict[str, Any]]:
        scores = {}
        origin = self._origin_of(generator)
        for metric in METRICS:
            groups = [group for group in self._groups(metric, generator) if pc.index(group.ids, clip_id).as_py() >= 0]
            if rows := [row for group in groups for row in self._rows(group, clip_id)]:
                wanted = origin.fingerprints.get(metric) if origin else None
                scores[metric] = next((row for row in rows if row["fingerprint"] == wanted), rows[0])
            elif (metric, generator) in self._damaged:
                scores[metric] = dict.fromkeys(COLUMNS) | {"error": DAMAGED}
        return scores

    def evidence(self, clip_id: str, generator: str, metric: Metric) -> Path | None:
        """Return the path of the metric's evidence image; None if there is none. Thread-safe."""
        with self._lock:
            origin = self._origin_of(generator)
        if origin is None:
            return None
        path = Path(str(self._manifests.evidence(clip_id, metric, profile=origin.profile, generator=generator)))
        return path if path.is_file() else None

    def _origin_of(self, generator: str) -> Origin | None:
        try:
            return self._origin(generator)
        except UsageError:
            return None  # a part is damaged; its clips can still be reviewed

    def _index(self, metric: Metric, generator: str) -> list[Group]:
        groups: list[Group] = []
        origin = self._origin_of(generator)
        if origin is None:
            return groups
        keys = {"profile": origin.profile, "metric": metric.value, "generator": generator}
        for part in self._manifests.parts(SCORES, **keys):
            path = Path(str(part))
            try:
                with path.open("rb") as source, pq.ParquetFile(source) as file:
                    for number in range(file.num_row_groups):
                        ids = file.read_row_group(number, ["clip_id"])["clip_id"]
                        groups.append(Group(path=path, number=number, ids=ids))
            except FileNotFoundError:
                raise
            except (OSError, pa.ArrowInvalid):
                self._damaged.add((metric, generator))  # its clips can still be reviewed
        return groups

    def _rows(self, group: Group, clip_id: str) -> list[dict[str, Any]]:
        """Return the rows of the clip.

        Raises:
            FileNotFoundError: the part was replaced since its ids were read.
        """
        table = self._table(group)
        rows: list[dict[str, Any]] = table.filter(pc.equal(table["clip_id"], clip_id)).to_pylist()
        return rows

    def _table(self, group: Group) -> pa.Table:
        key = (group.path, group.number)
        if key not in self._tables:
            try:
                with group.path.open("rb") as source, pq.ParquetFile(source) as file:
                    self._tables[key] = file.read_row_group(group.number, COLUMNS)
            except FileNotFoundError:
                raise
            except (OSError, pa.ArrowInvalid, IndexError):
                return SCORES.schema.empty_table().select(COLUMNS)
        self._tables.move_to_end(key)
        while len(self._tables) > KEPT:
            self._tables.popitem(last=False)
        return self._tables[key]
