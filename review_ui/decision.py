"""Decisions in the API: the answers that a clip can have, and the form in which decisions are shown to others."""

from collections.abc import Mapping, Sequence
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
from review_ui.messages import Adjudication, Answer, NewDecision

Detail = dict[str, Any]

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
SLACK_S = 1.0
"""Largest number of seconds by which the catalogued duration and the times of the served video may differ."""


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
    # An answer in the second pass, or one that was changed later, does not make the first one less blind.
    first = next((decision for decision in reversed(given) if decision.blind), None)
    return {
        "decision_id": last.decision_id,
        "reviewer": last.reviewer,
        "answer": answer_name(last, kind),
        "reason": last.reason,
        "note": last.note,
        "blind": last.blind,
        "first": None if first is None else answer_name(first, kind),
        "seconds": last.seconds,
        "created_at": when(last.created_at).isoformat(),
    } | details(last)


def first_answer(first: Decision, kind: Kind) -> dict[str, Any]:
    """Return a blind first answer that the reviewer must still keep or change, as `messages.First`."""
    said = {"answer": answer_name(first, kind), "reason": first.reason, "strength": first.strength}
    return {"decision_id": first.decision_id} | said


def given_answer(vote: Decision, kind: Kind) -> dict[str, Any]:
    """Return the reviewer's answer that counts now, as `messages.Given`."""
    return {"answer": answer_name(vote, kind), "reason": vote.reason} | details(vote)


def details(decision: Decision) -> dict[str, Any]:
    """Return what a decision says beside its answer, as `messages.Details`."""
    box = None if decision.box is None else list(decision.box)
    return {"strength": decision.strength, "t_start": decision.t_start, "t_end": decision.t_end, "box": box}


def details_of(new: NewDecision | Adjudication, label: int | None, facts: Mapping[str, Any]) -> Detail:
    """Return strength, t_start, t_end and box of an answer, as fields of a decision.

    Args:
        new: the request.
        label: the label that it gives.
        facts: width, height and duration_s of the clip, None if unknown.

    Raises:
        ValueError: they do not fit the answer or the clip; the message is one sentence.
    """
    marks = new.strength, new.t_start, new.t_end, new.box
    if label not in LABELS[Kind.GENERATED] and any(mark is not None for mark in marks):
        raise ValueError("only an anomaly has a strength, a span and a box: leave them out with this answer")
    if (new.t_start is None) != (new.t_end is None):
        raise ValueError("a span has both t_start and t_end; give the other one too")
    if new.t_start is not None and new.t_end is not None and new.t_start >= new.t_end:
        raise ValueError(f"t_start {new.t_start:g} is not before t_end {new.t_end:g}")
    length = facts["duration_s"]
    # The end is not compared: a span to the end ends with the sound, which may last longer.
    if new.t_start is not None and length is not None and new.t_start > length + SLACK_S:
        raise ValueError(f"t_start {new.t_start:g} is after the end of the clip, which lasts {length:g} s")
    size = facts["width"], facts["height"]
    box = None if new.box is None else (new.box[0], new.box[1], new.box[2], new.box[3])
    if box is not None:
        ends = box[0] + box[2], box[1] + box[3]
        if any(limit is not None and end > limit for end, limit in zip(ends, size, strict=True)):
            raise ValueError(f"the box ends at {ends[0]}, {ends[1]}, outside the clip of {size[0]} × {size[1]} pixels")
    return {"strength": new.strength, "t_start": new.t_start, "t_end": new.t_end, "box": box}
