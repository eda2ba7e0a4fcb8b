"""Decisions in the API: the answers that a clip can have, and the form in which decisions are shown to others."""

from collections.abc import Sequence
from typing import Any

from hfv_builder.labelling.decisions import (
    CONFIRM,
    LABELS,
    NO_ANOMALY,
    REJECT,
    RELABEL,
    UNSURE,
    Decision,
    Kind,
)
from hfv_builder.labelling.reviews import when
from hfv_builder.records import Label
from review_ui.messages import Answer

NAMES = {
    "spatial": "Spatial",
    "appearance": "Appearance",
    "motion": "Motion",
    "none": "No anomaly",
    "real": "Real footage",
    "reject": "Reject",
    "unsure": "Unsure",
}
"""Display names of the answers."""
KEYS = {"spatial": "1", "appearance": "2", "motion": "3", "none": "4", "real": "4", "reject": "r", "unsure": "u"}
"""Default keys of the answers."""
KIND_NAMES = {
    Kind.GENERATED: "a generated clip",
    Kind.REAL: "real footage",
    Kind.FAILED: "a clip that cannot be read or has no scores",
}
"""Names of the kinds in error messages."""


def answers_of(kind: Kind) -> tuple[str, ...]:
    """Return the answers that a clip of this kind can have, in display order."""
    none = ("none",) if kind is Kind.GENERATED else ()
    return (*(str(label) for label in LABELS[kind]), *none, REJECT, UNSURE)


def choices(kind: Kind, *, unsure: bool = True) -> list[dict[str, str]]:
    """Return the answers to a clip of this kind with name and key; adjudicators, who settle, get no `unsure`."""
    offered = [answer for answer in answers_of(kind) if unsure or answer != UNSURE]
    return [{"answer": answer, "name": NAMES[answer], "key": KEYS[answer]} for answer in offered]


def verdict_of(answer: Answer, reason: str | None, kind: Kind, auto: int, reasons: Sequence[str]) -> dict[str, Any]:
    """Return the decision, label and reason of an answer.

    Args:
        answer: the answer.
        reason: the reason of a rejection.
        kind: the kind of the clip.
        auto: the automatic label, which determines whether the decision is `confirm` or `relabel`.
        reasons: the reasons for which a clip of this kind can be rejected.

    Raises:
        ValueError: the clip cannot have that answer, or the reason does not fit the answer; the message is one
        sentence.
    """
    if answer not in answers_of(kind):
        offered = ", ".join(answers_of(kind))
        raise ValueError(f"{answer} is not an answer to {KIND_NAMES[kind]}; the answers are {offered}")
    if answer == "none":
        answer, reason = "reject", reason or NO_ANOMALY
        if reason != NO_ANOMALY:
            raise ValueError("the answer none takes no reason")
    if answer == REJECT:
        known = (*reasons, NO_ANOMALY) if kind is Kind.GENERATED else reasons
        if reason not in known:
            raise ValueError(f"a rejection of {KIND_NAMES[kind]} needs a reason: {', '.join(known)}")
        return {"decision": REJECT, "label": None, "reason": reason}
    if reason is not None:
        raise ValueError("only the answer reject takes a reason")
    if answer == UNSURE:
        return {"decision": UNSURE, "label": None, "reason": None}
    label = int(Label[answer.upper()])
    return {"decision": CONFIRM if label == auto else RELABEL, "label": label, "reason": None}


def answer_name(decision: Decision, kind: Kind) -> Answer:
    """Return the name of the answer that a decision gives."""
    if decision.decision == UNSURE:
        return "unsure"
    old_none = kind is Kind.GENERATED and decision.label == Label.REAL
    if old_none or (decision.decision == REJECT and decision.reason == NO_ANOMALY):
        return "none"
    names: dict[int | None, Answer] = {0: "spatial", 1: "appearance", 2: "motion", 3: "real", None: "reject"}
    return names[decision.label]


def opinion(given: Sequence[Decision], kind: Kind) -> dict[str, Any]:
    """Return the opinion of one reviewer for adjudicators.

    Args:
        given: the reviewer's decisions on the clip, oldest first, the last one final.
        kind: the kind of the clip.
    """
    last = given[-1]
    before = given[-2] if len(given) > 1 and not given[-2].final else last
    return {
        "decision_id": last.decision_id,
        "reviewer": last.reviewer,
        "answer": answer_name(last, kind),
        "reason": last.reason,
        "note": last.note,
        "blind": last.blind,
        "first": answer_name(before, kind) if before.blind else None,
        "seconds": last.seconds,
        "created_at": when(last.created_at).isoformat(),
    }
