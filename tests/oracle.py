"""Ranks, labels and splits once more, the slow and obvious way: plain loops, straight from the definitions."""

import hashlib
import math
import statistics
from typing import Any

METRICS = ("spatial", "appearance", "motion")
Row = dict[str, Any]


def label_rows(rows: list[Row]) -> list[Row]:
    """Rows of clip_id, generator and three scores (None = none), with ranks, label, margin and tie."""
    found = []
    for row in rows:
        group = [r for r in rows if r["generator"] == row["generator"] and all(r[m] is not None for m in METRICS)]
        result = dict(row, group_size=len(group), auto_label=None, margin=None, tied=None)
        if row not in group:
            found.append(result | {f"rank_{m}": None for m in METRICS})
            continue
        ranks = [1 + sum(other[m] > row[m] for other in group) for m in METRICS]
        result |= {f"rank_{m}": rank for m, rank in zip(METRICS, ranks, strict=True)}
        best = min(ranks)
        competing = [i for i in range(3) if ranks[i] == best]
        z = {i: _robust_z(row[METRICS[i]], [other[METRICS[i]] for other in group]) for i in competing}
        result["auto_label"] = max(competing, key=lambda i: (z[i], -i))
        result["tied"] = len(competing) > 1
        result["margin"] = sorted(ranks)[1] - best
        found.append(result)
    return found


def _robust_z(score: float, group: list[float]) -> float:
    median = statistics.median(group)
    mad = statistics.median(abs(other - median) for other in group)
    if score == median:
        return 0.0
    return (score - median) / mad if mad else math.copysign(math.inf, score - median)


def split_rows(rows: list[Row]) -> list[Row]:
    """Rows of clip_id, generator, label and three scores (None = none), with class rank, size, r̂, weight and split."""
    found = []
    for row in rows:
        result = dict(row, class_rank=None, class_size=None, r_hat=None, confidence_weight=None, split=None)
        found.append(result)
        if row["label"] is None:
            continue
        members = [r for r in rows if r["generator"] == row["generator"] and r["label"] == row["label"]]
        if row["label"] != 3:
            members = [r for r in members if r[METRICS[r["label"]]] is not None]
        if row not in members:
            result["split"] = "train"
            continue
        if row["label"] == 3:
            members.sort(key=lambda r: (_hash(r["clip_id"]), r["clip_id"]))
        else:
            members.sort(key=lambda r: (-r[METRICS[r["label"]]], r["clip_id"]))
        place = 1 + members.index(row)
        n = len(members)
        result["class_size"] = n
        result["class_rank"] = None if row["label"] == 3 else place
        result["r_hat"] = 0.0 if row["label"] == 3 else place / n
        result["confidence_weight"] = math.log(math.e + result["r_hat"])
        result["split"] = "val" if place <= (2 * n + 5) // 10 else "train"
    return found


def _hash(clip_id: str) -> int:
    return int(hashlib.sha256(b"0:" + clip_id.encode()).hexdigest()[:16], 16) >> 11
