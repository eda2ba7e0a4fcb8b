"""Final labels: which decisions count, when a clip is disputed, and what becomes of its automatic label.

The queues, the dashboard, the export and the split all ask here.

- Only final answers that nobody has undone count. A blind first answer that was never kept counts nowhere.
- The last of them is the reviewer's vote; answering again replaces it. The order is that of `Decision.order`.
- An answer that the clip cannot have (`decisions.answer_code`) does not count, and is reported.
- A clip is disputed while its votes differ or one of them is unsure, until an adjudicator settles it.
- The final label is the last adjudicator's, else that of more than half of the votes, unsure ones included; else, and
  with fewer votes than the overlap, the automatic label stays.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.labelling.decisions import ADJUDICATOR, LEFT_OUT, NOT_SURE, Decision, Kind, answer_code, rejection

ADDED = ("label", "label_source", "votes", "disputed", "adjudicated", "rejected", "reason", "outcome", "invalid")
"""The columns that `final_labels` adds."""
ADJUDICATED, MAJORITY, DISPUTED, TOO_FEW = "adjudicated", "majority", "disputed", "too few votes"
"""How the decisions on a clip ended."""
DONE = (ADJUDICATED, MAJORITY, DISPUTED)
"""The outcomes of clips that need no more votes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the decisions on one clip come to."""

    code: int | None
    """A label id or `LEFT_OUT`; None leaves the automatic label."""
    voters: tuple[str, ...]
    """Reviewers whose answer counts, unsure ones included."""
    disputed: bool
    adjudicated: bool
    reason: str | None
    """Why the clip is left out, if it is."""
    outcome: str | None
    """One of the four outcomes; None if nobody's decision counts."""
    invalid: int
    """Decisions that do not count because the clip cannot have that answer."""


def undone(decisions: Iterable[Decision]) -> set[str]:
    """The ids of the decisions that an undo among these takes back."""
    return {each for decision in decisions for each in decision.undoes}


def standing(decisions: Iterable[Decision], taken_back: Collection[str]) -> list[Decision]:
    """The last final answer of each reviewer and of each adjudicator to one clip, in their order.

    Args:
        decisions: all decisions on the clip, in any order.
        taken_back: ids of decisions that were undone.
    """
    last: dict[tuple[str, str], Decision] = {}
    for decision in sorted(decisions, key=lambda decision: decision.order):
        if decision.final and decision.decision is not None and decision.decision_id not in taken_back:
            last[decision.reviewer, decision.role] = decision
    return sorted(last.values(), key=lambda decision: decision.order)


def settle(given: Iterable[Decision], kind: Kind, *, overlap: int = 1) -> Verdict:
    """The verdict on one clip.

    Args:
        given: its standing decisions, in their order.
        kind: what the clip is.
        overlap: how many votes a majority needs to count.
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
    )


def _reason(deciding: list[tuple[int, Decision]]) -> str:
    """The commonest reason among those who leave the clip out; of equally common ones the last given."""
    reasons = [rejection(decision) for code, decision in deciding if code == LEFT_OUT]
    counts = Counter(reasons)
    return max(reversed(reasons), key=counts.__getitem__)


def final_labels(labels: pd.DataFrame, decisions: Iterable[Decision], *, overlap: int = 1) -> pd.DataFrame:
    """The final label of every clip.

    Args:
        labels: columns clip_id, kind (`Kind`) and auto_label (null where a clip has none), and any others; a row per
            clip.
        decisions: in any order; those on clips that `labels` does not hold change nothing.
        overlap: with fewer votes than this the automatic label stays.

    Returns:
        The rows of `labels` in their order, with label (Int32; null for a rejected clip, and for failed media),
        label_source (`review` or `auto`), votes (Int32), disputed, adjudicated, rejected (bool), reason (why it is
        rejected), outcome (how the decisions ended; null if none counts) and invalid (Int32, decisions that do not
        count because the clip cannot have that answer).
    """
    rows = list(decisions)
    taken_back = undone(rows)
    by_clip: dict[str, list[Decision]] = {}
    for decision in rows:
        by_clip.setdefault(decision.clip_id, []).append(decision)
    places = pd.Index(labels["clip_id"]).get_indexer(pd.Index(list(by_clip), dtype="str"))
    members, kinds = tuple(Kind), labels["kind"].to_numpy(np.int8)
    at, found = [], []
    for place, own in zip(places, by_clip.values(), strict=True):
        if place >= 0:
            at.append(place)
            found.append(settle(standing(own, taken_back), members[kinds[place]], overlap=overlap))

    def column(values: list[Any], missing: Any, dtype: str) -> pd.Series:
        whole = np.full(len(labels), missing, object)
        whole[at] = values
        return pd.Series(whole, labels.index, dtype)

    code = column([verdict.code for verdict in found], pd.NA, "Int32")
    final = labels.copy()
    final["rejected"] = code.eq(LEFT_OUT).fillna(False).astype(bool)
    auto = labels["auto_label"].astype("Int32").mask(labels["kind"].eq(Kind.FAILED))
    final["label"] = code.fillna(auto).mask(final["rejected"])
    final["label_source"] = np.where(code.notna(), "review", "auto")
    final["votes"] = column([len(verdict.voters) for verdict in found], 0, "Int32")
    final["disputed"] = column([verdict.disputed for verdict in found], False, "bool")
    final["adjudicated"] = column([verdict.adjudicated for verdict in found], False, "bool")
    final["reason"] = column([verdict.reason for verdict in found], None, "str")
    final["outcome"] = column([verdict.outcome for verdict in found], None, "str")
    final["invalid"] = column([verdict.invalid for verdict in found], 0, "Int32")
    return final
