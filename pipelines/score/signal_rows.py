"""The rows of `signals` that a worker writes, while it scores a clip or for the audit."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hfv_builder.frames.hashing import VERSION
from hfv_builder.records import Status, reason
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SIGNALS

if TYPE_CHECKING:
    from hfv_builder.frames.signals import Signals
    from hfv_builder.people.base import People

Row = dict[str, Any]


def add_signals(manifests: Manifests, generator: str, rows: Sequence[Row]) -> None:
    """Write rows of `signals` as one part; the same clips, looked at by the same detectors, give the same part."""
    keys = (f"{row['clip_id']} {row['person_detector'] or ''}" for row in rows)
    name = hashlib.sha256("\n".join([VERSION, *keys]).encode()).hexdigest()[:16]
    manifests.add(SIGNALS, pa.Table.from_pylist(rows, SIGNALS.schema), name=name, generator=generator)


def signal_row(
    clip_id: str,
    generator: str,
    signals: "Signals | None",
    error: Exception | None = None,
    *,
    people: "People | None" = None,
) -> Row:
    """Return the row of a clip; without signals, one that says why."""
    row = dict.fromkeys(SIGNALS.schema.names) | {"clip_id": clip_id, "generator": generator, "version": VERSION}
    if signals is not None:
        row |= vars(signals) | (vars(people) if people is not None else {})
    status = Status.OK if error is None else Status.FAILED
    return row | {"status": status.value, "error": None if error is None else reason(error)}
