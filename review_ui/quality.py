"""The dashboard's figures of the automatic labels: how often reviewers upheld them, and how far they swayed them."""

from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.labelling.decisions import ANSWERS, LEFT_OUT, Kind
from hfv_builder.records import Label
from review_ui.clips import NONE, Clips
from review_ui.people import Sitting

DECILES = 10


def confusion(clips: Clips, final: pd.DataFrame) -> dict[str, list[list[int]]]:
    """Per generator, and for all: rows automatic labels, columns final labels and rejected, of clips with a review."""
    reviewed = (final["label_source"] == "review").to_numpy() & (clips.auto_label != NONE)
    given = final["label"].fillna(0).to_numpy(np.int64)
    settled = np.where(final["rejected"], LEFT_OUT, given)
    found = {}
    for number, name in [(None, ""), *enumerate(clips.generators)]:
        rows = reviewed if number is None else reviewed & (clips.generator == number)
        matrix = np.zeros((len(Label), len(ANSWERS)), np.int64)
        np.add.at(matrix, (clips.auto_label[rows], settled[rows]), 1)
        if rows.any():
            found[name] = matrix.tolist()
    return found


def margins(clips: Clips, final: pd.DataFrame) -> list[dict[str, Any]]:
    """Share of automatic labels that reviews upheld, by decile of the margin over all ranked clips."""
    ranked = np.flatnonzero(clips.margin != NONE)
    if len(ranked) == 0:
        return []
    # By place, not by value: margins are small whole numbers, and equal ones would leave deciles empty.
    ordered = ranked[np.argsort(clips.margin[ranked], kind="stable")]
    reviewed = (final["label_source"] == "review").to_numpy()
    upheld = (final["label"].fillna(NONE).to_numpy(np.int64) == clips.auto_label) & ~final["rejected"].to_numpy()
    rows = []
    for number, part in enumerate(np.array_split(ordered, DECILES)):
        seen = part[reviewed[part]]
        low, high = wilson(int(upheld[seen].sum()), len(seen))
        rows.append(
            {
                "decile": number + 1,
                "low": int(clips.margin[part].min()) if len(part) else None,
                "high": int(clips.margin[part].max()) if len(part) else None,
                "clips": len(seen),
                "upheld": float(upheld[seen].mean()) if len(seen) else None,
                "from": low,
                "to": high,
            }
        )
    return rows


def pull(seated: list[Sitting], clips: Clips) -> dict[str, Any]:
    """How often first answers equal the suggestion, given blind and given with it in view."""
    found: dict[str, Any] = {}
    for name in ("blind", "shown"):
        same = []
        for sitting in seated:
            auto = clips.auto_label[clips.row[sitting.clip_id]]
            # What footage is suggested to be is no secret.
            if auto != NONE and sitting.kind is Kind.GENERATED and sitting.blind == (name == "blind"):
                same.append(sitting.first == auto)
        low, high = wilson(sum(same), len(same))
        found[name] = {"clips": len(same), "same": sum(same) / len(same) if same else None, "from": low, "to": high}
    return found


def wilson(hits: int, trials: int) -> tuple[float | None, float | None]:
    """95 % interval of a share (Wilson 1927)."""
    if trials == 0:
        return None, None
    z, share = 1.96, hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * ((share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5)
    return middle - half, middle + half
