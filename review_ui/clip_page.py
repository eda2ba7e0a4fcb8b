"""What the grid and the page of a clip show."""

from typing import Any

import numpy as np

from hfv_builder.labelling.decisions import LEFT_OUT, REVIEWER
from hfv_builder.labelling.reviews import when
from hfv_builder.records import METRICS, Label, Metric
from review_ui.clips import NONE, Clips
from review_ui.decision import answer_name, details
from review_ui.desk import Desk

BINS = 24
"""Number of bins of a generator's scores."""
HIDDEN = "Labels and scores of clips are shown to you once you have no blind clips left to answer."


def listed(desk: Desk, row: int, *, sight: bool, named: bool, by: Metric | None) -> dict[str, Any]:
    """Return a clip of the grid; see `browse_messages.Listed`.

    Args:
        desk: the review.
        row: the clip.
        sight: whether label, scores and decisions are shown.
        named: whether the file name and the generator are.
        by: the metric whose score is shown.
    """
    clips, facts = desk.clips, desk.clips.facts(row)
    label, margin = int(clips.auto_label[row]), int(clips.margin[row])
    score = float(clips.scores[by][row]) if by is not None else np.nan
    return {
        "clip_id": clips.ids[row],
        "name": clips.names[row].as_py() if named else None,
        "source": clips.source(row) if named else None,
        "is_real": bool(clips.is_real[row]),
        "failed": bool(clips.failed[row]),
        "duration_s": facts["duration_s"],
        "prompt": facts["prompt"],
        "split": clips.split_name(row),
        "label": str(Label(label)) if sight and label != NONE else None,
        "margin": margin if sight and margin != NONE else None,
        "score": score if sight and np.isfinite(score) else None,
        "opinion": _opinion(desk, row) if sight else None,
    }


def _opinion(desk: Desk, row: int) -> str:
    """Return what reviewers say about a clip, one of `browse_messages.Opinion`."""
    final = int(desk.board.final[row])
    if desk.board.is_disputed(row):
        return "disputed"
    if final in (NONE, LEFT_OUT):
        return "open" if final == NONE else "rejected"
    return "confirmed" if final == desk.clips.auto_label[row] else "changed"


def all_about(desk: Desk, row: int, item: dict[str, Any], *, sight: bool, named: bool, judge: bool) -> dict[str, Any]:
    """Return the content of the page of a clip; see `browse_messages.ClipPage`.

    Args:
        desk: the review.
        row: the clip.
        item: the output of `Desk.item` for the user, whose suggestion decides whether scores are shown.
        sight: whether the final label is shown.
        named: whether the file name and the generator are.
        judge: whether the decisions are shown.
    """
    clips = desk.clips
    facts = clips.facts(row)
    facts |= {"source": clips.source(row)}
    if not named:
        facts |= {"generator": None, "source": None}
    visible = item["suggestion"] is not None
    hides = not visible and not item["shown"] and clips.auto_label[row] != NONE
    final, votes = int(desk.board.final[row]), len(desk.board.voters(row))
    return {
        "clip_id": clips.ids[row],
        "name": clips.names[row].as_py() if named else None,
        "facts": facts,
        "split": clips.split_name(row),
        "hidden": HIDDEN if hides else None,
        "suggestion": item["suggestion"],
        "distributions": distributions(clips, row, item["suggestion"]) if visible else None,
        "final": {
            "label": None if final == NONE else "reject" if final == LEFT_OUT else str(Label(final)),
            "votes": votes,
            "disputed": desk.board.is_disputed(row),
            "adjudicated": desk.board.is_adjudicated(row),
        }
        if sight
        else None,
        "decisions": decisions(desk, row) if judge else None,
    }


def distributions(clips: Clips, row: int, suggestion: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, for each metric on which the clip has a score, where it is among the scores of its generator.

    Args:
        clips: the clips.
        row: the clip.
        suggestion: its automatic label with ranks; see `Clips.suggestion`.
    """
    own = clips.generator == clips.generator[row]
    found = {}
    for metric in METRICS:
        score, scores = float(clips.scores[metric][row]), clips.scores[metric][own]
        scores = scores[np.isfinite(scores)]
        if np.isfinite(score):
            counts, edges = np.histogram(scores, BINS)
            found[metric.value] = {
                "score": score,
                "rank": suggestion["ranks"][metric.value],
                "size": suggestion["group_size"] or len(scores),
                "above": float((scores > score).mean()),
                "edges": edges.tolist(),
                "counts": counts.tolist(),
            }
    return found


def decisions(desk: Desk, row: int) -> list[dict[str, Any]]:
    """Return all decisions on a clip, oldest first; see `browse_messages.Spoken`."""
    ledger, kind = desk.board.ledger, desk.clips.kinds[row]
    return [
        {
            "reviewer": decision.reviewer,
            "role": "reviewer" if decision.role == REVIEWER else "adjudicator",
            "answer": answer_name(decision, kind),
            "reason": decision.reason,
            "note": decision.note,
            "blind": decision.blind,
            "final": decision.final,
            "undone": ledger.is_undone(decision.decision_id),
            "created_at": when(decision.created_at).isoformat(),
        }
        | details(decision)
        for decision in ledger.on(desk.clips.ids[row])
    ]
