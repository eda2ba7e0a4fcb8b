"""The clips that wait for an adjudicator, with the opinions of the reviewers."""

from typing import Any

from hfv_builder.labelling.decisions import LABELS, REVIEWER, Decision, Kind, answer_code
from hfv_builder.labelling.marks import agreed
from review_ui.decision import choices, opinion
from review_ui.desk import Desk
from review_ui.filter import Filter

CASES = 50
"""Largest number of disputed clips in one response."""


def open_cases(desk: Desk, name: str, wanted: Filter) -> dict[str, Any]:
    """Return the first clips on which reviewers differ or are unsure, and their number; see `case_messages.Cases`."""
    rows = desk.board.disputed(wanted)
    # The adjudicator sees the opinions, so a later answer of theirs as a reviewer is not blind.
    desk.sight.inform(name, rows[:CASES])
    desk.media.prepare(rows[:CASES])
    cases = []
    for row in rows[:CASES]:
        answers = choices(desk.clips.kinds[row], unsure=False)
        item = desk.item(name, row, adjudicator=True) | {"answers": answers}
        cases.append({"item": item, "opinions": opinions(desk, row), "marks": marks(desk, row)})
    return {"cases": cases, "total": len(rows)}


def opinions(desk: Desk, row: int) -> list[dict[str, Any]]:
    """Return the opinion of every reviewer whose vote on the clip counts; see `case_messages.Opinion`."""
    clip_id, kind = desk.clips.ids[row], desk.clips.kinds[row]
    counted = []
    for vote in votes(desk, row):
        answers = desk.board.ledger.of(clip_id, vote.reviewer)
        counted.append(opinion(answers[: answers.index(vote) + 1], kind))
    return counted


def marks(desk: Desk, row: int) -> dict[str, dict[str, Any]]:
    """Return when and where the reviewers who gave an answer marked its anomaly; see `case_messages.Case`."""
    settled = {}
    for label in LABELS[Kind.GENERATED]:
        span, box = agreed(vote for vote in votes(desk, row) if answer_code(vote, desk.clips.kinds[row]) == label)
        if span or box:
            start, end = span or (None, None)
            settled[str(label)] = {"t_start": start, "t_end": end, "box": box and list(box)}
    return settled


def votes(desk: Desk, row: int) -> list[Decision]:
    """Return the votes on the clip that count, sorted by `Decision.order`."""
    voters = desk.board.voters(row)
    given = desk.board.ledger.standing(desk.clips.ids[row])
    return [vote for vote in given if vote.role == REVIEWER and vote.reviewer in voters]
