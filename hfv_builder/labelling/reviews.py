"""The `reviews` and `final` manifests: convert decisions to tables and back, including tables of older versions."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.labelling.decisions import ADJUDICATOR, CONFIRM, REJECT, RELABEL, REVIEWER, UNSURE, Decision
from hfv_builder.labelling.strength import STRENGTHS
from hfv_builder.records import Label, UsageError
from hfv_builder.storage.manifest import Manifests, OtherColumns
from hfv_builder.storage.replacement import despite_replacements
from hfv_builder.storage.schema import FINAL, REVIEWS, Table

OVERLAP = b"overlap"
"""Key in the metadata of a part: the number of reviewers that were planned per clip."""
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
"""The `reviews` manifest in the schema of older versions."""
NEEDED = ("decision_id", "clip_id", "reviewer", "created_at")
"""Columns without nulls."""
VALUES: dict[str, tuple[Any, ...]] = {
    "role": (REVIEWER, ADJUDICATOR),
    "decision": (CONFIRM, RELABEL, REJECT, UNSURE),
    "label": tuple(map(int, Label)),
    "strength": STRENGTHS,
}
"""Columns of few values, which may be null."""
MEASURED = ("seconds", "t_start", "t_end")
"""Columns of finite numbers, which may be null."""
SIDES = {"x": 0, "y": 0, "w": 1, "h": 1}
"""Smallest values of the fields of a box, in pixels."""
OLDER_ADJUDICATOR = "adjudicator:"
"""Prefix of `reviewer` that marked an adjudicator's decision in older versions."""


def read_reviews(manifests: Manifests) -> tuple[list[Decision], int | None]:
    """Return all decisions sorted by `Decision.order`, and the overlap of the review; None if it was not recorded.

    Raises:
        UsageError: a part cannot be read.
    """
    return despite_replacements(partial(_read_reviews, manifests), f"{manifests.root / REVIEWS.name}")


def _read_reviews(manifests: Manifests) -> tuple[list[Decision], int | None]:
    by_id: dict[str, Decision] = {}
    overlaps = []
    for part in manifests.parts(REVIEWS):
        try:
            rows = manifests.read_part(REVIEWS, part)
            read = from_table
        except OtherColumns:
            rows = manifests.read_part(OLDER, part)
            read = from_older
        if fault := _fault(rows):
            raise UsageError(f"{part} has decisions {fault}: restore it from a copy, or export it again")
        decisions = read(rows)
        by_id |= {decision.decision_id: decision for decision in decisions}
        overlaps += [int(value) for key, value in (rows.schema.metadata or {}).items() if key == OVERLAP]
    return in_order(by_id.values()), max(overlaps, default=None)


def _fault(rows: pa.Table) -> str | None:
    """Return what is wrong with values that this program does not write; None if nothing is."""
    for name in NEEDED:
        if rows[name].null_count:
            return f"without {name}"
    for name, values in VALUES.items():
        if name in rows.column_names:
            odd = pc.filter(rows[name], pc.invert(pc.is_in(rows[name], pa.array([*values, None], rows[name].type))))
            if len(odd):
                return f"with {name} {odd[0].as_py()!r}"
    for name in MEASURED:
        if name in rows.column_names and pc.all(pc.is_finite(rows[name])).as_py() is False:
            return f"with {name} that is no number"
    for side, least in SIDES.items():
        if "box" in rows.column_names and pc.any(pc.less(pc.struct_field(rows["box"], side), least)).as_py():
            return f"with a box whose {side} is below {least}"
    return None


def in_order(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the decisions sorted by time, then by id."""
    return sorted(decisions, key=lambda decision: decision.order)


def as_table(decisions: Iterable[Decision], *, overlap: int | None = None) -> pa.Table:
    """Return the decisions as a table of the `reviews` manifest, with `overlap` in its metadata unless it is None."""
    rows = list(decisions)
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in NAMES}
    columns["box"] = [None if row.box is None else dict(zip("xywh", row.box, strict=True)) for row in rows]
    columns["undoes"] = [list(row.undoes) or None for row in rows]
    return _with_overlap(pa.Table.from_pydict(columns, schema=REVIEWS.schema), overlap)


def final_table(labelled: pd.DataFrame, *, overlap: int) -> pa.Table:
    """Return the rows of `final_labels.final_labels` that have an outcome, as a table of the `final` manifest."""
    reviewed = labelled[labelled["outcome"].notna()].sort_values(["generator", "clip_id"])
    names = [None if pd.isna(label) else str(Label(label)) for label in reviewed["label"]]
    rows = pa.Table.from_pandas(reviewed.assign(label_name=pd.array(names, "str")), FINAL.schema, preserve_index=False)
    return _with_overlap(rows.replace_schema_metadata(), overlap)


def from_table(rows: pa.Table) -> list[Decision]:
    """Return the decisions of a table of the `reviews` manifest."""
    decisions = []
    for row in rows.to_pylist():
        box = row["box"] and tuple(row["box"][name] for name in "xywh")
        converted = {"created_at": microseconds(row["created_at"]), "box": box, "undoes": tuple(row["undoes"] or ())}
        converted |= {name: bool(row[name]) for name in ("blind", "final")} | {"role": row["role"] or REVIEWER}
        decisions.append(Decision(**(row | converted)))
    return decisions


def from_older(rows: pa.Table) -> list[Decision]:
    """Return the decisions of a table of an older `reviews` manifest; its undos, stored in a column, become decisions.

    Blind answers are not final: older versions stored the reviewer's second answer in a separate row.
    """
    decisions: list[Decision] = []
    taken_back: dict[str, list[Decision]] = {}
    for row in rows.to_pylist():
        answer = older_decision(
            **{name: row[name] for name in ("decision_id", "clip_id", "reviewer", "decision", "label", "reason")},
            blind=bool(row["blind"]),
            final=not row["blind"],
            seconds=row["seconds"],
            created_at=microseconds(row["created_at"]),
        )
        decisions.append(answer)
        if row["undone_by"] is not None:
            taken_back.setdefault(row["undone_by"], []).append(answer)
    return decisions + [undo_of(undo_id, answers) for undo_id, answers in taken_back.items()]


def older_decision(*, reviewer: str, decision: str, reason: str | None, **others: Any) -> Decision:
    """Return a decision of older versions: their `reviewer` had the prefix of the role, their `reason` the note."""
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
        **others,
    )


def undo_of(undo_id: str, answers: list[Decision], created_at: int | None = None) -> Decision:
    """Return the undo of answers to one clip; if its time was not recorded, it gets that of the last of them."""
    last = max(answers, key=lambda answer: answer.order)
    return Decision(
        decision_id=undo_id,
        clip_id=last.clip_id,
        generator=last.generator,
        reviewer=last.reviewer,
        role=last.role,
        queue=last.queue,
        decision=None,
        final=False,
        created_at=last.created_at if created_at is None else created_at,
        undoes=tuple(answer.decision_id for answer in answers),
    )


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def when(created_at: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(created_at // 1_000_000, UTC).replace(microsecond=created_at % 1_000_000)


def _with_overlap(rows: pa.Table, overlap: int | None) -> pa.Table:
    return rows if overlap is None else rows.replace_schema_metadata({OVERLAP: str(overlap)})
