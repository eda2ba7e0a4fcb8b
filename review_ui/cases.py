"""The clips that wait for an adjudicator, with the opinions of the reviewers."""

from typing import Any

from hfv_builder.labelling.decisions import REVIEWER
from review_ui.decision import choices, opinion
from review_ui.desk import Desk
from review_ui.filter import Filter

CASES = 50
"""Largest number of disputed clips in one response."""


def open_cases(desk: Desk, name: str, wanted: Filter) -> dict[str, Any]:
    """Return the first clips on which reviewers differ or are unsure, and how many there are; see `messages.Cases`."""
    rows = desk.board.disputed(wanted)
    # The adjudicator sees the opinions, so a later answer of theirs as a reviewer is not blind.
    desk.sight.inform(name, rows[:CASES])
    desk.media.prepare(rows[:CASES])
    cases = []
    for row in rows[:CASES]:
        answers = choices(desk.clips.kinds[row], unsure=False)
        item = desk.item(name, row, adjudicator=True) | {"answers": answers}
        cases.append({"item": item, "opinions": opinions(desk, row)})
    return {"cases": cases, "total": len(rows)}


def opinions(desk: Desk, row: int) -> list[dict[str, Any]]:
    """Return the opinion of every reviewer whose vote on the clip counts; see `messages.Opinion`."""
    clip_id, kind = desk.clips.ids[row], desk.clips.kinds[row]
    counted = []
    for vote in desk.board.ledger.standing(clip_id):
        if vote.role == REVIEWER and vote.reviewer in desk.board.voters(row):
            answers = desk.board.ledger.of(clip_id, vote.reviewer)
            counted.append(opinion(answers[: answers.index(vote) + 1], kind))
    return counted
