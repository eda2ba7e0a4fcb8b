"""left_out.csv: the clips that a release with uniform media leaves out."""

from collections.abc import Mapping

import pandas as pd

FILE = "left_out.csv"
COLUMNS = ("clip_id", "generator", "label", "split", "reason")


def left_out_rows(clips: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame | None:
    """Return a row with `COLUMNS` per clip that has a reason, sorted by generator and clip_id; None without any.

    Args:
        reasons: by clip id, a sentence each.
    """
    rows = clips[clips["clip_id"].isin([*reasons])]
    if not len(rows):
        return None
    rows = rows.assign(reason=[reasons[clip] for clip in rows["clip_id"]])
    return rows[[*COLUMNS]].sort_values(["generator", "clip_id"], ignore_index=True)


def left_out_csv(rows: pd.DataFrame) -> str:
    """Return the file's text."""
    return rows.to_csv(index=False, lineterminator="\n")
