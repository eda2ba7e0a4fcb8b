"""Reviewers' decisions to final labels: adjudicated, else the majority's, else automatic.

How the fixed columns of the `reviews` manifest are read:

- A row counts while `undone_by` is null.
- A reviewer's *vote* on a clip is the last row of theirs that counts; answering again replaces the vote. A blind
  first answer and the answer given after the suggestion was shown are two such rows.
- An adjudicator's decision carries the reviewer `adjudicator:NAME`. No reviewer's name may hold a colon, so nobody
  votes as an adjudicator by accident, and whoever adjudicates a clip keeps their own vote on it apart.
- `unsure` abstains.
- `reason` of a rejection is one of `REASONS`, then `: ` and the note if there is one; of other decisions the note.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.records import Label

ADJUDICATOR = "adjudicator:"
"""What the reviewer of an adjudicator's decision begins with."""
REASONS = ("not a person", "no anomaly", "watermark", "broken", "duplicate", "other")
"""Why a clip may be rejected."""
REJECT = len(Label)
"""The answer `reject`, counted beside the label ids."""
ABSTAIN = -1
"""The answer `unsure`."""
ANSWERS = (*(str(label) for label in Label), "reject")
"""Names of the answers that count, in the order of their codes."""
ADDED = ("label", "label_source", "rejected", "reviewers", "disputed", "adjudicated")
"""The columns that `final_labels` adds."""


def final_labels(labels: pd.DataFrame, reviews: pd.DataFrame) -> pd.DataFrame:
    """The final label of every clip.

    Args:
        labels: columns clip_id and auto_label (null where a clip has none), and any others; a row per clip.
        reviews: the columns of the `reviews` manifest, in any order of rows. Decisions on clips that `labels` does not
            hold change nothing.

    Returns:
        The rows of `labels` in their order, with label (Int32: an adjudicator's, else that of more than half of the
        votes, else auto_label; a rejected clip keeps its auto_label), label_source (`review` or `auto`), rejected
        (bool), reviewers (Int32: how many votes stand, without those that abstain), disputed (bool: votes differ and
        nobody has adjudicated) and adjudicated (bool).
    """
    votes = standing_votes(reviews)
    is_final = votes["reviewer"].str.startswith(ADJUDICATOR)
    adjudicated = votes[is_final].drop_duplicates("clip_id", keep="last").set_index("clip_id")["answer"]
    counted = votes[~is_final].groupby(["clip_id", "answer"], sort=False).size().rename("count").reset_index()
    totals = counted.groupby("clip_id", sort=False)["count"].agg(["sum", "size"])
    is_majority = counted["count"] * 2 > counted.groupby("clip_id", sort=False)["count"].transform("sum")
    most = counted[is_majority].set_index("clip_id")["answer"]

    clip = labels["clip_id"]
    decided = clip.map(adjudicated).astype("Int32")
    is_adjudicated = decided.notna()
    decided = decided.fillna(clip.map(most).astype("Int32"))
    auto = labels["auto_label"].astype("Int32")
    rejected = decided.eq(REJECT).fillna(False).astype(bool)
    final = labels.copy()
    final["label"] = decided.mask(rejected, auto).fillna(auto)
    final["label_source"] = np.where(decided.notna(), "review", "auto")
    final["rejected"] = rejected
    final["reviewers"] = clip.map(totals["sum"]).fillna(0).astype("Int32")
    final["disputed"] = clip.map(totals["size"]).fillna(0).gt(1) & ~is_adjudicated
    final["adjudicated"] = is_adjudicated.astype(bool)
    return final


def standing_votes(reviews: pd.DataFrame) -> pd.DataFrame:
    """The vote of each reviewer on each clip, oldest first, without those who abstain.

    Returns:
        The columns of `reviews` and answer (int: a label id or `REJECT`).
    """
    live = reviews[reviews["undone_by"].isna()].sort_values(["created_at", "decision_id"], kind="stable")
    last = live.drop_duplicates(["clip_id", "reviewer"], keep="last")
    last = last.assign(answer=answer_codes(last["decision"], last["label"]))
    return last[last["answer"] != ABSTAIN]


def answer_codes(decision: Iterable[str], label: pd.Series) -> npt.NDArray[np.int64]:
    """The answer that each row stands for: a label id, `REJECT` or `ABSTAIN`; a decision without a label abstains."""
    named = pd.Series(list(decision), dtype="str")
    codes = label.astype("Int32").fillna(ABSTAIN).to_numpy(np.int64)
    return np.where(named == "reject", REJECT, np.where(named == "unsure", ABSTAIN, codes))
