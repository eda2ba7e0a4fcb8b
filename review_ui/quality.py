"""Statistics of automatic labels for the dashboard: how often reviewers confirm them, and the anchoring effect."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.labelling.decisions import ANSWERS, LEFT_OUT, Kind
from hfv_builder.records import Label
from review_ui.clips import NONE, Clips, Ints
from review_ui.people import Sitting, first_sittings
from review_ui.shares import difference, share_of

BINS = 10


def confusion(clips: Clips, final: pd.DataFrame) -> dict[str, list[list[int]]]:
    """Return the confusion matrix of reviewed clips for each generator, and for all under the key "".

    Rows are automatic labels, columns are final labels and rejected.
    """
    reviewed = (final["label_source"] == "review").to_numpy() & (clips.auto_label != NONE)
    label = final["label"].fillna(0).to_numpy(np.int64)
    answer = np.where(final["rejected"], LEFT_OUT, label)
    matrices = {}
    for index, name in [(None, ""), *enumerate(clips.generators)]:
        rows = reviewed if index is None else reviewed & (clips.generator == index)
        matrix = np.zeros((len(Label), len(ANSWERS)), np.int64)
        np.add.at(matrix, (clips.auto_label[rows], answer[rows]), 1)
        if rows.any():
            matrices[name] = matrix.tolist()
    return matrices


def margins(clips: Clips, final: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the share of automatic labels that reviews confirmed, by margin.

    Returns:
        For each bin of `margin_bins` `low` and `high` (its smallest and largest margin), `ranked` (its clips), and of
        the reviewed ones `clips`, `upheld`, `from` and `to`.
    """
    reviewed = (final["label_source"] == "review").to_numpy()
    upheld = _upheld(clips, final)
    rows = []
    for part in margin_bins(clips):
        checked = part[reviewed[part]]
        confirmed = share_of(int(upheld[checked].sum()), len(checked))
        rows.append(
            {
                "low": int(clips.margin[part].min()),
                "high": int(clips.margin[part].max()),
                "ranked": len(part),
                "clips": confirmed["n"],
                "upheld": confirmed["share"],
                "from": confirmed["from"],
                "to": confirmed["to"],
            }
        )
    return rows


def margin_bins(clips: Clips) -> list[Ints]:
    """Return the rows of the ranked clips in bins of increasing margin.

    The bins divide the range of margins near the deciles of all ranked clips. They do not overlap, so there are fewer
    than ten of them if many clips have the same margin.
    """
    ranked = np.flatnonzero(clips.margin != NONE)
    if len(ranked) == 0:
        return []
    values = clips.margin[ranked]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    bins = np.searchsorted(edges, values)  # margins up to and including an edge
    return [ranked[bins == index] for index in np.unique(bins)]


def by_generator(clips: Clips, final: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row per generator: its clips and automatic labels, and how often reviews confirmed or rejected them.

    Returns:
        For each generator `clips`, `labels` (clips per automatic label), `disputed`, and the shares `upheld` and
        `rejected` of the reviewed clips that have an automatic label; see `shares.share_of`.
    """
    reviewed = (final["label_source"] == "review").to_numpy() & (clips.auto_label != NONE)
    upheld, rejected = _upheld(clips, final), final["rejected"].to_numpy(bool)
    disputed = final["disputed"].to_numpy(bool)
    rows = []
    for index, name in enumerate(clips.generators):
        own = (clips.generator == index) & ~clips.failed
        checked = own & reviewed
        labels = np.bincount(clips.auto_label[own & (clips.auto_label != NONE)], minlength=len(Label))
        rows.append(
            {
                "generator": name,
                "clips": int(own.sum()),
                "labels": {str(label): int(labels[label]) for label in Label},
                "disputed": int((own & disputed).sum()),
                "upheld": share_of(int(upheld[checked].sum()), int(checked.sum())),
                "rejected": share_of(int(rejected[checked].sum()), int(checked.sum())),
            }
        )
    return rows


def pull(seated: list[Sitting], clips: Clips) -> dict[str, Any]:
    """Return how often first answers equal the suggestion, for blind answers and for answers with it shown.

    Returns:
        `blind` and `shown`, each with `clips`, `same`, `from` and `to`; `gap` is their difference, see
        `shares.difference`.
    """
    shares: dict[str, dict[str, Any]] = {}
    for name in ("blind", "shown"):
        same = []
        for sitting in first_sittings(seated):
            auto = clips.auto_label[clips.row[sitting.clip_id]]
            # Real clips are left out: their suggestion is known. So are revisits, whose first answer was undone.
            counts = auto != NONE and sitting.kind is Kind.GENERATED and not sitting.revisit
            if counts and sitting.blind == (name == "blind"):
                same.append(sitting.first == auto)
        shares[name] = share_of(sum(same), len(same))
    named = {
        name: {"clips": share["n"], "same": share["share"], "from": share["from"], "to": share["to"]}
        for name, share in shares.items()
    }
    return named | {"gap": difference(shares["blind"], shares["shown"])}


def _upheld(clips: Clips, final: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return the mask of the clips whose final label is the automatic one."""
    same = final["label"].fillna(NONE).to_numpy(np.int64) == clips.auto_label
    return np.asarray(same & ~final["rejected"].to_numpy(bool), bool)
