"""Statistics of automatic labels for the dashboard: how often reviewers confirm them, and the anchoring effect."""

from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.labelling.decisions import ANSWERS, LEFT_OUT, Kind
from hfv_builder.records import Label
from review_ui.clips import NONE, Clips
from review_ui.people import Sitting

DECILES = 10


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
    """Return the share of automatic labels that reviews confirmed, by decile of the margin over all ranked clips."""
    ranked = np.flatnonzero(clips.margin != NONE)
    if len(ranked) == 0:
        return []
    # Deciles by position, not by value: margins are small integers, and equal values would leave deciles empty.
    ordered = ranked[np.argsort(clips.margin[ranked], kind="stable")]
    reviewed = (final["label_source"] == "review").to_numpy()
    upheld = (final["label"].fillna(NONE).to_numpy(np.int64) == clips.auto_label) & ~final["rejected"].to_numpy()
    rows = []
    for index, part in enumerate(np.array_split(ordered, DECILES)):
        checked = part[reviewed[part]]
        low, high = wilson(int(upheld[checked].sum()), len(checked))
        rows.append(
            {
                "decile": index + 1,
                "low": int(clips.margin[part].min()) if len(part) else None,
                "high": int(clips.margin[part].max()) if len(part) else None,
                "clips": len(checked),
                "upheld": float(upheld[checked].mean()) if len(checked) else None,
                "from": low,
                "to": high,
            }
        )
    return rows


def pull(seated: list[Sitting], clips: Clips) -> dict[str, Any]:
    """Return how often first answers equal the suggestion, for blind answers and for answers with it shown."""
    shares: dict[str, Any] = {}
    for name in ("blind", "shown"):
        same = []
        for sitting in seated:
            auto = clips.auto_label[clips.row[sitting.clip_id]]
            # Real clips are left out: their suggestion is known.
            if auto != NONE and sitting.kind is Kind.GENERATED and sitting.blind == (name == "blind"):
                same.append(sitting.first == auto)
        low, high = wilson(sum(same), len(same))
        shares[name] = {"clips": len(same), "same": sum(same) / len(same) if same else None, "from": low, "to": high}
    return shares


def wilson(hits: int, trials: int) -> tuple[float | None, float | None]:
    """Return the 95 % score interval of a proportion (Wilson 1927); (None, None) without trials."""
    if trials == 0:
        return None, None
    z, share = 1.96, hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * ((share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5)
    return middle - half, middle + half
