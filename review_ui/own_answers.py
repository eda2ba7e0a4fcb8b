"""The answers of one reviewer: list them, and take a clip into the hand to answer it again."""

from typing import Any

from hfv_builder.labelling.reviews import when
from review_ui.decision import answer_name
from review_ui.desk import Desk
from review_ui.refused import Refused
from review_ui.settings import REVISIT


def own_answers(desk: Desk, name: str, skip: int, count: int) -> dict[str, Any]:
    """Return answers of a reviewer that count, the latest first; see `messages.OwnAnswers`.

    Args:
        desk: the review.
        name: the reviewer.
        skip: number of answers to leave out.
        count: largest number of answers to return.
    """
    answered = desk.board.reviewer(name).answered
    latest = sorted(answered.items(), key=lambda entry: entry[1].order, reverse=True)
    answers = [
        {
            "clip_id": desk.clips.ids[row],
            "source": desk.clips.source(row) if desk.settings.show_source else None,
            "prompt": desk.clips.facts(row)["prompt"],
            "answer": answer_name(vote, desk.clips.kinds[row]),
            "reason": vote.reason,
            "note": vote.note,
            "created_at": when(vote.created_at).isoformat(),
            "settled": desk.board.is_adjudicated(row),
        }
        for row, vote in latest[skip : skip + count]
    ]
    return {"answers": answers, "total": len(answered)}


def revisit(desk: Desk, name: str, row: int) -> dict[str, Any]:
    """Put a clip that the reviewer has answered into their hand; the next answer replaces the one that counts.

    The new answer is never blind, and is neither a repeat nor a first answer in the statistics.

    Raises:
        Refused: the reviewer has not answered the clip.
    """
    vote = desk.board.reviewer(name).answered.get(row)
    if vote is None:
        raise Refused(409, "you have not answered this clip; only answers that count can be changed here")
    desk.take(name, row, REVISIT)
    return {"item": desk.item(name, row), "answer": answer_name(vote, desk.clips.kinds[row])}
