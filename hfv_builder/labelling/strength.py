"""How strong reviewers find an anomaly, and a val side that holds only strong ones."""

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from hfv_builder.labelling.decisions import ADJUDICATOR, Decision
from hfv_builder.records import Label, Split

WEAK, STRONG = "weak", "strong"
STRENGTHS = (WEAK, STRONG)


def agreed_strength(decisions: Iterable[Decision]) -> str | None:
    """Return the strength that the decisions for one label give, in the order of `Decision.order`.

    The last adjudicator who gave one decides, else more than half of the reviewers who gave one; as many for `weak` as
    for `strong` is `weak`. None if nobody gave one.
    """
    given = [row for row in decisions if row.strength in STRENGTHS]
    judged = [row.strength for row in given if row.role == ADJUDICATOR]
    if judged or not given:
        return judged[-1] if judged else None
    counts = Counter(row.strength for row in given)
    return STRONG if counts[STRONG] > counts[WEAK] else WEAK


def only_strong(rows: pd.DataFrame, strength: pd.Series, groups: pd.Series | None = None) -> pd.Series:
    """Move the generated clips of val that are not strong to train.

    Args:
        rows: a row per clip with columns label and split, as `splits.split_clips` returns them.
        strength: the strength of each clip, null if nobody gave one, with the index of `rows`.
        groups: the group of each clip, null for a clip alone, with the index of `rows`; a group with a clip that moves
            moves as a whole.

    Returns:
        The split of each clip, text, with the index of `rows`. Camera footage moves only with its group.
    """
    in_val = rows["split"].eq(Split.VAL).fillna(False).astype(bool)
    generated = rows["label"].ne(Label.REAL).fillna(False).astype(bool)
    moves = in_val & generated & strength.ne(STRONG).fillna(True).astype(bool)
    if groups is not None:
        moves |= in_val & groups.notna() & groups.isin(groups[moves].dropna())
    return rows["split"].mask(moves, Split.TRAIN.value)
