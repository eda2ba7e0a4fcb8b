"""One decision and one undo, as they are kept and as others see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hfv_builder.reviews import ABSTAIN, REJECT
from review_ui.messages import Answer

ANSWER_NAMES: tuple[Answer, ...] = ("spatial", "appearance", "motion", "real", "reject")


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One decision as it is kept."""

    decision_id: str
    """Made by whoever sends it; sending it twice is deciding once."""
    clip_id: str
    reviewer: str
    decision: str
    label: int | None
    reason: str | None
    blind: bool
    seconds: float | None
    created_at: int
    """Microseconds since 1970, strictly increasing."""
    queue: str
    final: bool
    """The reviewer is done with the clip; False for a blind first answer that is still to be kept or changed."""

    def says(self) -> tuple[Any, ...]:
        """What was decided, without when: equal for two sendings of one decision.

        Confirming and relabelling differ by the automatic label, which may change between two sendings.
        """
        kind = self.decision if self.decision in ("reject", "unsure") else "label"
        return (self.clip_id, self.reviewer, kind, self.label, self.reason, self.blind, self.final)


@dataclass(frozen=True, kw_only=True)
class Undo:
    """A decision that takes others back."""

    decision_id: str
    undoes: tuple[str, ...]
    reviewer: str
    created_at: int


def when(microseconds: int) -> datetime:
    """The time, in UTC, to the microsecond."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)


def code(decision: Decision) -> int:
    """The answer that a decision stands for, as `hfv_builder.reviews` counts it."""
    if decision.decision == "reject":
        return REJECT
    return ABSTAIN if decision.decision == "unsure" or decision.label is None else decision.label


def answer(decision: Decision) -> Answer:
    """The answer that a decision stands for, by name."""
    number = code(decision)
    return "unsure" if number == ABSTAIN else ANSWER_NAMES[number]


def opinion(given: Sequence[Decision]) -> dict[str, Any]:
    """One reviewer's standing decisions on a clip, oldest first, as others see them: the last, and what came blind."""
    last = given[-1]
    before = given[-2] if len(given) > 1 and not given[-2].final else last
    return {
        "decision_id": last.decision_id,
        "reviewer": last.reviewer,
        "answer": answer(last),
        "reason": last.reason,
        "blind": last.blind,
        "first": answer(before) if before.blind else None,
        "seconds": last.seconds,
        "created_at": when(last.created_at).isoformat(),
    }
