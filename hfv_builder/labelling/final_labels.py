"""Final labels: which decisions count, when a clip is disputed, and when the automatic label is replaced.

Queues, dashboard, export and split all use these rules:

- Only final answers that are not undone count. A blind first answer without a final answer does not count.
- The vote of a reviewer is the last of these answers, in the order of `Decision.order`.
- An answer that the clip cannot have (`decisions.answer_code`) does not count and is reported.
- A clip is disputed while its votes differ or one of them is unsure, until an adjudicator settles it.
- The final label is that of the last adjudicator. Without one it is the label of more than half of the votes, unsure
  votes included in the total. Without such a majority, or with fewer votes than the overlap, it is the automatic label.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.labelling.decisions import ADJUDICATOR, LEFT_OUT, NOT_SURE, Decision, Kind, answer_code, rejection
from hfv_builder.labelling.strength import agreed_strength

ADJUDICATED, MAJORITY, DISPUTED, TOO_FEW = "adjudicated", "majority", "disputed", "too few votes"
"""The outcomes of the decisions on a clip."""
DONE = (ADJUDICATED, MAJORITY, DISPUTED)
"""The outcomes after which a clip needs no more votes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The result of all decisions on one clip."""

    code: int | None
    """A label id or `LEFT_OUT`; None keeps the automatic label."""
    voters: tuple[str, ...]
    """Reviewers whose vote counts, unsure votes included."""
    disputed: bool
    adjudicated: bool
    reason: str | None
    """The reason for leaving the clip out; None if it is not left out."""
    outcome: str | None
    """One of the four outcomes; None if no decision counts."""
    invalid: int
    """Number of decisions that do not count because the clip cannot have that answer."""
    strength: str | None = None
    """`weak` or `strong`, by those who gave this label; None if it is the automatic one, or nobody gave a strength."""


def undone(decisions: Iterable[Decision]) -> set[str]:
    """Return the ids of all decisions that an undo among these takes back."""
    return {decision_id for decision in decisions for decision_id in decision.undoes}


def standing(decisions: Iterable[Decision], taken_back: Collection[str]) -> list[Decision]:
    """Return the last final answer of each person in each role to one clip, sorted by `Decision.order`.

    Args:
        decisions: all decisions on the clip, in any order.
        taken_back: ids of undone decisions.
    """
    last: dict[tuple[str, str], Decision] = {}
    for decision in sorted(decisions, key=lambda decision: decision.order):
        if decision.final and decision.decision is not None and decision.decision_id not in taken_back:
            last[decision.reviewer, decision.role] = decision
    return sorted(last.values(), key=lambda decision: decision.order)


def settle(given: Iterable[Decision], kind: Kind, *, overlap: int = 1) -> Verdict:
    """Return the verdict on one clip.

    Args:
        given: its standing decisions, sorted by `Decision.order`.
        kind: the kind of the clip.
        overlap: number of votes below which a majority does not count.
    """
    votes: list[tuple[int, Decision]] = []
    judged: list[tuple[int, Decision]] = []
    invalid = 0
    for decision in given:
        code = answer_code(decision, kind)
        if code is None:
            invalid += 1
        elif decision.role != ADJUDICATOR:
            votes.append((code, decision))
        elif code != NOT_SURE:
            judged.append((code, decision))
    counts = Counter(code for code, _ in votes)
    disputed = len(counts) > 1 or NOT_SURE in counts
    final: int | None = None
    if judged:
        outcome, final = ADJUDICATED, judged[-1][0]
    elif not votes:
        outcome = None
    elif len(votes) < overlap:
        outcome = TOO_FEW
    else:
        final = next((code for code, count in counts.items() if count * 2 > len(votes) and code != NOT_SURE), None)
        outcome = DISPUTED if final is None else MAJORITY
    return Verdict(
        code=final,
        voters=tuple(decision.reviewer for _, decision in votes),
        disputed=disputed and not judged,
        adjudicated=bool(judged),
        reason=_reason(judged[-1:] or votes) if final == LEFT_OUT else None,
        outcome=outcome,
        invalid=invalid,
        strength=agreed_strength(decision for code, decision in votes + judged if code == final),
    )


def _reason(deciding: list[tuple[int, Decision]]) -> str:
    """Return the most common reason for leaving the clip out; of equally common reasons the latest."""
    reasons = [rejection(decision) for code, decision in deciding if code == LEFT_OUT]
    counts = Counter(reasons)
    return max(reversed(reasons), key=counts.__getitem__)


def final_labels(labels: pd.DataFrame, decisions: Iterable[Decision], *, overlap: int = 1) -> pd.DataFrame:
    """Return the final label of every clip.

    Args:
        labels: a row per clip with columns clip_id, kind (`Kind`), auto_label (null if the clip has none), and any
            others.
        decisions: in any order; decisions on clips that are not in `labels` are ignored.
        overlap: number of votes below which the automatic label stays.

    Returns:
        The rows of `labels` in the same order, with label (Int32; null for a rejected or failed clip), label_source
        (`review` or `auto`), votes (Int32), disputed, adjudicated, rejected (bool), reason (of the rejection), outcome
        (of the decisions; null if none counts), invalid (Int32, number of decisions that do not count because the
        clip cannot have that answer) and strength (`weak`, `strong` or null).
    """
    rows = list(decisions)
    taken_back = undone(rows)
    by_clip: dict[str, list[Decision]] = {}
    for decision in rows:
        by_clip.setdefault(decision.clip_id, []).append(decision)
    row_of_clip = pd.Index(labels["clip_id"]).get_indexer(pd.Index(list(by_clip), dtype="str"))
    members, kinds = tuple(Kind), labels["kind"].to_numpy(np.int8)
    indices, verdicts = [], []
    for row, on_clip in zip(row_of_clip, by_clip.values(), strict=True):
        if row >= 0:
            indices.append(row)
            verdicts.append(settle(standing(on_clip, taken_back), members[kinds[row]], overlap=overlap))

    def column(values: list[Any], missing: Any, dtype: str) -> pd.Series:
        filled = np.full(len(labels), missing, object)
        filled[indices] = values
        return pd.Series(filled, labels.index, dtype)

    code = column([verdict.code for verdict in verdicts], pd.NA, "Int32")
    final = labels.copy()
    final["rejected"] = code.eq(LEFT_OUT).fillna(False).astype(bool)
    auto = labels["auto_label"].astype("Int32").mask(labels["kind"].eq(Kind.FAILED))
    final["label"] = code.fillna(auto).mask(final["rejected"])
    final["label_source"] = np.where(code.notna(), "review", "auto")
    final["votes"] = column([len(verdict.voters) for verdict in verdicts], 0, "Int32")
    final["disputed"] = column([verdict.disputed for verdict in verdicts], False, "bool")
    final["adjudicated"] = column([verdict.adjudicated for verdict in verdicts], False, "bool")
    final["reason"] = column([verdict.reason for verdict in verdicts], None, "str")
    final["outcome"] = column([verdict.outcome for verdict in verdicts], None, "str")
    final["invalid"] = column([verdict.invalid for verdict in verdicts], 0, "Int32")
    final["strength"] = column([verdict.strength for verdict in verdicts], None, "str")
    return final
