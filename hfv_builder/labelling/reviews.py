"""The `reviews` and `final` manifests: decisions to tables and back, those of older versions too."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from hfv_builder.labelling.decisions import ADJUDICATOR, REJECT, REVIEWER, Decision
from hfv_builder.records import Label
from hfv_builder.storage.manifest import Manifests, OtherColumns
from hfv_builder.storage.schema import FINAL, REVIEWS, Table

OVERLAP = b"overlap"
"""In the metadata of the parts: how many reviewers each clip was to have."""
NAMES = [field.name for field in fields(Decision)]
OLDER = Table(
    name=REVIEWS.name,
    partition=(),
    schema=pa.schema(
        [
            *(REVIEWS.schema.field(name) for name in ("decision_id", "clip_id", "reviewer", "decision", "label")),
            *(REVIEWS.schema.field(name) for name in ("reason", "blind", "seconds", "created_at")),
            ("undone_by", pa.string()),
        ]
    ),
)
"""The `reviews` manifest as older versions wrote it."""
OLDER_ADJUDICATOR = "adjudicator:"
"""What the reviewer of an adjudicator's decision began with."""


def read_reviews(manifests: Manifests) -> tuple[list[Decision], int | None]:
    """All decisions in their order, and the overlap that the reviews were made with; None if nobody recorded it.

    Raises:
        UsageError: a part cannot be read.
    """
    found: dict[str, Decision] = {}
    overlaps = []
    for part in manifests.parts(REVIEWS):
        try:
            rows = manifests.read_part(REVIEWS, part)
            own = from_table(rows)
        except OtherColumns:
            rows = manifests.read_part(OLDER, part)
            own = from_older(rows.to_pylist())
        found |= {decision.decision_id: decision for decision in own}
        overlaps += [int(value) for key, value in (rows.schema.metadata or {}).items() if key == OVERLAP]
    return in_order(found.values()), max(overlaps, default=None)


def in_order(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions by time, then by id."""
    return sorted(decisions, key=lambda decision: decision.order)


def as_table(decisions: Iterable[Decision], *, overlap: int | None = None) -> pa.Table:
    """Decisions in the columns of the `reviews` manifest."""
    rows = list(decisions)
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in NAMES}
    columns["box"] = [None if row.box is None else dict(zip("xywh", row.box, strict=True)) for row in rows]
    columns["undoes"] = [list(row.undoes) or None for row in rows]
    return _noted(pa.Table.from_pydict(columns, schema=REVIEWS.schema), overlap)


def final_table(labelled: pd.DataFrame, *, overlap: int) -> pa.Table:
    """The rows of `final_labels.final_labels` with a decision that counts, in the columns of the `final` manifest."""
    reviewed = labelled[labelled["outcome"].notna()].sort_values(["generator", "clip_id"])
    names = [None if pd.isna(label) else str(Label(label)) for label in reviewed["label"]]
    rows = pa.Table.from_pandas(reviewed.assign(label_name=pd.array(names, "str")), FINAL.schema, preserve_index=False)
    return _noted(rows.replace_schema_metadata(), overlap)


def from_table(rows: pa.Table) -> list[Decision]:
    """The decisions that a table in the columns of the `reviews` manifest holds."""
    found = []
    for row in rows.to_pylist():
        box = row["box"] and tuple(row["box"][name] for name in "xywh")
        more = {"created_at": microseconds(row["created_at"]), "box": box, "undoes": tuple(row["undoes"] or ())}
        more |= {name: bool(row[name]) for name in ("blind", "final")} | {"role": row["role"] or REVIEWER}
        found.append(Decision(**(row | more)))
    return found


def from_older(rows: list[dict[str, Any]]) -> list[Decision]:
    """The decisions that rows of an older `reviews` manifest hold, undos among them as decisions of their own.

    Blind answers were first answers there: what came of them is a row of its own, so they are not final.
    """
    found: list[Decision] = []
    taken_back: dict[str, list[Decision]] = {}
    for row in rows:
        answer = older_decision(
            **{name: row[name] for name in ("decision_id", "clip_id", "reviewer", "decision", "label", "reason")},
            blind=bool(row["blind"]),
            final=not row["blind"],
            seconds=row["seconds"],
            created_at=microseconds(row["created_at"]),
        )
        found.append(answer)
        if row["undone_by"] is not None:
            taken_back.setdefault(row["undone_by"], []).append(answer)
    return found + [older_undo(undo_id, answers) for undo_id, answers in taken_back.items()]


def older_decision(*, reviewer: str, decision: str, reason: str | None, **more: Any) -> Decision:
    """A decision of older versions, where `adjudicator:` before the name was the role and the reason held the note."""
    role = ADJUDICATOR if reviewer.startswith(OLDER_ADJUDICATOR) else REVIEWER
    note = reason
    if decision == REJECT and reason is not None:
        reason, _, note = reason.partition(": ")
    else:
        reason = None
    return Decision(
        reviewer=reviewer.removeprefix(OLDER_ADJUDICATOR),
        role=role,
        decision=decision,
        reason=reason,
        note=note or None,
        **more,
    )


def older_undo(undo_id: str, answers: list[Decision], created_at: int | None = None) -> Decision:
    """An undo as a decision; where nobody wrote its time down, that of the last answer it takes back."""
    last = max(answers, key=lambda answer: answer.order)
    return Decision(
        decision_id=undo_id,
        clip_id=last.clip_id,
        reviewer=last.reviewer,
        role=last.role,
        queue=last.queue,
        decision=None,
        final=False,
        created_at=last.created_at if created_at is None else created_at,
        undoes=tuple(answer.decision_id for answer in answers),
    )


def microseconds(time: datetime) -> int:
    """Microseconds since 1970."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def when(created_at: int) -> datetime:
    """The time of a decision, in UTC, to the microsecond."""
    return datetime.fromtimestamp(created_at // 1_000_000, UTC).replace(microsecond=created_at % 1_000_000)


def _noted(rows: pa.Table, overlap: int | None) -> pa.Table:
    return rows if overlap is None else rows.replace_schema_metadata({OVERLAP: str(overlap)})
