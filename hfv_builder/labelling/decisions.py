"""What a reviewer's decision says, and which answers a clip can have."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from hfv_builder.records import Label

REVIEWER, ADJUDICATOR = "reviewer", "adjudicator"
"""The roles in which decisions are made: a reviewer votes, an adjudicator settles."""
CONFIRM, RELABEL, REJECT, UNSURE = "confirm", "relabel", "reject", "unsure"
NO_ANOMALY = "no anomaly"
"""Why a generated clip is left out that looks real."""
LEFT_OUT, NOT_SURE = len(Label), -1
"""The codes of the answers that are no label, beside the label ids."""
ANSWERS = (*(str(label) for label in Label), REJECT)
"""Names of the answers that decide something, in the order of their codes."""


class Kind(IntEnum):
    """What a clip is, which decides the answers it can have."""

    GENERATED = 0
    REAL = 1
    FAILED = 2
    """It cannot be read or has no scores, so it has no place in the data set."""


LABELS: dict[Kind, tuple[Label, ...]] = {
    Kind.GENERATED: (Label.SPATIAL, Label.APPEARANCE, Label.MOTION),
    Kind.REAL: (Label.REAL,),
    Kind.FAILED: (),
}
"""The labels that a clip of each kind can have: only footage is real."""
REASONS: dict[Kind, tuple[str, ...]] = {
    Kind.GENERATED: ("not a person", "watermark", "broken", "duplicate", "other"),
    Kind.REAL: ("generated", "not a person", "watermark", "broken", "duplicate", "other"),
    Kind.FAILED: ("broken", "duplicate", "other"),
}
"""Why a clip of each kind may be rejected; a generated clip also for `NO_ANOMALY`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One row of the `reviews` manifest: an answer, or an undo of earlier ones."""

    decision_id: str
    """Made by the sender; sending it twice is deciding once."""
    clip_id: str
    generator: str | None = None
    """The generator that the reviewer saw named; None in decisions older than this column."""
    reviewer: str
    role: str = REVIEWER
    """The role in which the decision was made: adjudicators who review vote like everybody."""
    queue: str | None = None
    decision: str | None
    """`confirm`, `relabel`, `reject` or `unsure`; None for an undo."""
    label: int | None = None
    strength: str | None = None
    reason: str | None = None
    """Why the clip is rejected."""
    note: str | None = None
    blind: bool = False
    """Answered before the suggestion was shown."""
    final: bool = True
    """The reviewer is done with the clip; False for a blind first answer that is still to be kept, and for an undo."""
    t_start: float | None = None
    t_end: float | None = None
    box: tuple[int, int, int, int] | None = None
    seconds: float | None = None
    created_at: int
    """Microseconds since 1970."""
    undoes: tuple[str, ...] = ()
    """The decisions that an undo takes back."""

    @property
    def order(self) -> tuple[int, str]:
        """The place of a decision among all: by time, then by id, wherever it is kept."""
        return self.created_at, self.decision_id

    def says(self) -> tuple[object, ...]:
        """What was decided, without when: equal for two sendings of one decision.

        Confirming and relabelling differ by the automatic label, which may change between two sendings, and what the
        server knew of the clip may change too.
        """
        kind = self.decision if self.label is None else "label"
        said = (self.clip_id, self.reviewer, self.role, kind, self.label, self.strength, self.reason, self.note)
        return (*said, self.final, self.t_start, self.t_end, self.box, frozenset(self.undoes))


def clip_kinds(
    *, ok: npt.NDArray[np.bool_], real: npt.NDArray[np.bool_], labelled: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int8]:
    """The `Kind` of each clip.

    Args:
        ok: the clip's status in the catalogue is `ok`.
        real: it is of a real source.
        labelled: it has an automatic label, or its generator has not been labelled yet.

    Returns:
        (n,) int8. Footage needs no scores: its label is known.
    """
    return np.where(~ok | ~(real | labelled), Kind.FAILED, np.where(real, Kind.REAL, Kind.GENERATED)).astype(np.int8)


def answer_code(decision: Decision, kind: Kind) -> int | None:
    """The answer that a decision stands for on a clip of this kind.

    Returns:
        A label id, `LEFT_OUT`, `NOT_SURE`, or None if the clip cannot have that answer; the decision then does not
        count. `real` on a generated clip, which older versions offered, means that it shows no anomaly: `LEFT_OUT`.
    """
    if decision.decision == REJECT:
        return LEFT_OUT
    if decision.decision == UNSURE:
        return NOT_SURE
    if decision.label in LABELS[kind]:
        return decision.label
    return LEFT_OUT if decision.label == Label.REAL and kind is Kind.GENERATED else None


def rejection(decision: Decision) -> str:
    """Why the clip is left out, of a decision whose code is `LEFT_OUT`."""
    return (decision.reason or "other") if decision.decision == REJECT else NO_ANOMALY
