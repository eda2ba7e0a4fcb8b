"""Decisions out of the database into the `reviews` manifest."""

from typing import Any

import pyarrow as pa

from hfv_builder.manifest import Manifests
from hfv_builder.schema import REVIEWS
from review_ui.decision import Decision
from review_ui.store import Store


def as_table(decisions: list[tuple[Decision, str | None]]) -> pa.Table:
    """Decisions, each with what undid it, in the columns of the `reviews` manifest."""
    columns: dict[str, list[Any]] = {
        name: [getattr(decision, name) for decision, _ in decisions]
        for name in REVIEWS.schema.names
        if name != "undone_by"
    }
    return pa.Table.from_pydict(columns | {"undone_by": [by for _, by in decisions]}, schema=REVIEWS.schema)


def export(store: Store, manifests: Manifests) -> int:
    """Write the `reviews` manifest: every decision of the database, and those that only the manifest has.

    Returns:
        The number of rows.

    Raises:
        UsageError: the manifest cannot be read or written, or another command writes it.
    """
    with manifests.lock("reviews"):
        ours = as_table(store.decisions())
        known = set(ours["decision_id"].to_pylist())
        before = manifests.read(REVIEWS)
        others = before.filter(pa.array([row not in known for row in before["decision_id"].to_pylist()], pa.bool_()))
        rows = pa.concat_tables([others, ours])
        if len(rows):
            manifests.replace(REVIEWS, [rows])
        return len(rows)
